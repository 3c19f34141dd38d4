// Package manifests checks what is applied to a cluster, without one.
package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

// Decoder takes manifests of Kubernetes and KEDA, and no member that they do not have.
func Decoder() (runtime.Decoder, error) {
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), kedav1alpha1.AddToScheme(s)); err != nil {
		return nil, fmt.Errorf("know the kinds of manifests: %w", err)
	}
	return serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer(), nil
}

// scalers is the part of KEDA's own schema of triggers that is looked at.
type scalers struct {
	Scalers []struct {
		Type       string
		Parameters []parameter
	}
}

type parameter struct {
	Name, Default                  string
	Optional                       bool
	Deprecated, DeprecatedAnnounce string
	MetadataVariableReadable       bool
}

// Triggers checks the triggers of a ScaledObject against KEDA's schema, where they are texts to Kubernetes.
func Triggers(schema []byte, triggers []kedav1alpha1.ScaleTriggers) error {
	var known scalers
	if err := json.Unmarshal(schema, &known); err != nil {
		return fmt.Errorf("read KEDA's schema: %w", err)
	}
	var faults error
	for _, trigger := range triggers {
		i := slices.IndexFunc(known.Scalers, func(s struct {
			Type       string
			Parameters []parameter
		}) bool {
			return s.Type == trigger.Type
		})
		if i < 0 {
			faults = errors.Join(faults, fmt.Errorf("trigger %s: KEDA has no scaler %q", trigger.Name, trigger.Type))
			continue
		}
		faults = errors.Join(faults, parameters(trigger, known.Scalers[i].Parameters))
	}
	return faults
}

func parameters(trigger kedav1alpha1.ScaleTriggers, known []parameter) (faults error) {
	for _, p := range known {
		if p.DeprecatedAnnounce != "" {
			faults = errors.Join(faults, fmt.Errorf("trigger %s: the scaler %s is going: %s", trigger.Name, trigger.Type, p.DeprecatedAnnounce))
		}
		_, given := trigger.Metadata[p.Name]
		if given && p.Deprecated != "" {
			faults = errors.Join(faults, fmt.Errorf("trigger %s: %s: %s", trigger.Name, p.Name, p.Deprecated))
		}
		if !given && !p.Optional && p.Default == "" && p.MetadataVariableReadable {
			faults = errors.Join(faults, fmt.Errorf("trigger %s: %s is missing", trigger.Name, p.Name))
		}
	}
	for name := range trigger.Metadata {
		if !slices.ContainsFunc(known, func(p parameter) bool { return p.Name == name && p.MetadataVariableReadable }) {
			faults = errors.Join(faults, fmt.Errorf("trigger %s: the scaler %s has no %q", trigger.Name, trigger.Type, name))
		}
	}
	return faults
}
