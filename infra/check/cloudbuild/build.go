// Package cloudbuild checks cloudbuild.yaml as Cloud Build reads it, and that nothing is deployed unless everything before it went well.
package cloudbuild

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"
)

// Parse reads the file as Cloud Build's own message, and refuses what that does not have.
func Parse(text []byte) (*cloudbuildpb.Build, error) {
	json, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("read cloudbuild.yaml: %w", err)
	}
	var b cloudbuildpb.Build
	if err := (protojson.UnmarshalOptions{}).Unmarshal(json, &b); err != nil {
		return nil, fmt.Errorf("read cloudbuild.yaml: %w", err)
	}
	return &b, nil
}

// before are the steps that have ended well when a step begins.
type before map[string]map[string]bool

// order follows waitFor: steps without one wait for all before them, "-" for none.
func order(b *cloudbuildpb.Build) (before, error) {
	done := before{}
	var ids []string
	var faults error
	for i, step := range b.GetSteps() {
		id := step.GetId()
		if id == "" || done[id] != nil {
			faults = errors.Join(faults, fmt.Errorf("step %d: the id %q is empty or another's too", i, id))
			continue
		}
		wait := step.GetWaitFor()
		if len(wait) == 0 {
			wait = slices.Clone(ids)
		}
		done[id] = map[string]bool{}
		for _, name := range wait {
			if name == "-" {
				continue
			}
			if done[name] == nil || name == id {
				faults = errors.Join(faults, fmt.Errorf("step %s: waits for %q, which is no step before it", id, name))
				continue
			}
			done[id][name] = true
			for earlier := range done[name] {
				done[id][earlier] = true
			}
		}
		ids = append(ids, id)
	}
	return done, faults
}

// Gates checks that every step that changes the deployment waits for every step that could find a fault.
func Gates(b *cloudbuildpb.Build, changes func(id string) bool) error {
	done, faults := order(b)
	for _, changing := range b.GetSteps() {
		if !changes(changing.GetId()) {
			continue
		}
		for _, step := range b.GetSteps() {
			if !changes(step.GetId()) && step.GetId() != "smoke" && !done[changing.GetId()][step.GetId()] {
				faults = errors.Join(faults, fmt.Errorf("step %s does not wait for %s, whose failure must leave the deployment as it is", changing.GetId(), step.GetId()))
			}
		}
	}
	for _, step := range b.GetSteps() {
		if step.GetAllowFailure() || len(step.GetAllowExitCodes()) > 0 {
			faults = errors.Join(faults, fmt.Errorf("step %s may fail, and the build goes on", step.GetId()))
		}
	}
	return faults
}

var substitution = regexp.MustCompile(`\$\{?(_[A-Z0-9_]+)\}?`)

// rows are the substitutions that a guide's table documents.
var rows = regexp.MustCompile("(?m)^\\| `(_[A-Z0-9_]+)` \\|")

// Substitutions checks that each that is used has a value, each that has a value is used, and guide documents these and no others:
// Cloud Build refuses one that it is given and does not know.
func Substitutions(b *cloudbuildpb.Build, guide string) (faults error) {
	used := map[string]bool{}
	texts := []string{protojson.Format(&cloudbuildpb.Build{Steps: b.GetSteps(), Options: b.GetOptions(), ServiceAccount: b.GetServiceAccount()})}
	texts = slices.AppendSeq(texts, maps.Values(b.GetSubstitutions()))
	for _, m := range substitution.FindAllStringSubmatch(strings.Join(texts, " "), -1) {
		used[m[1]] = true
	}
	documented := map[string]bool{}
	for _, m := range rows.FindAllStringSubmatch(guide, -1) {
		documented[m[1]] = true
		if _, ok := b.GetSubstitutions()[m[1]]; !ok {
			faults = errors.Join(faults, fmt.Errorf("%s is documented and has no value", m[1]))
		}
	}
	for name := range used {
		if _, ok := b.GetSubstitutions()[name]; !ok {
			faults = errors.Join(faults, fmt.Errorf("%s is used and has no value", name))
		}
	}
	for name := range b.GetSubstitutions() {
		if !used[name] {
			faults = errors.Join(faults, fmt.Errorf("%s has a value and is not used", name))
		}
		if !documented[name] {
			faults = errors.Join(faults, fmt.Errorf("%s is not documented", name))
		}
	}
	return faults
}

var tool = regexp.MustCompile(`\b(golangci-lint|go (test|vet|build)|gofmt|pytest|terraform|tflint)\b`)

// Targets checks that what is linted and tested is what people lint and test: targets of the Makefile, and that there are such.
func Targets(b *cloudbuildpb.Build, makefile string) (faults error) {
	made := 0
	for _, step := range b.GetSteps() {
		script := strings.Join(append([]string{step.GetScript(), step.GetEntrypoint()}, step.GetArgs()...), " ")
		if m := tool.FindString(script); m != "" {
			faults = errors.Join(faults, fmt.Errorf("step %s calls %q itself; call a target of the Makefile", step.GetId(), m))
		}
		for _, m := range regexp.MustCompile(`\bmake ([a-z0-9-]+)`).FindAllStringSubmatch(script, -1) {
			made++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				faults = errors.Join(faults, fmt.Errorf("step %s: the Makefile has no target %s", step.GetId(), m[1]))
			}
		}
	}
	if made == 0 {
		faults = errors.Join(faults, errors.New("no step calls make"))
	}
	return faults
}

// pinned is an image by tag or digest; a name alone is whatever is newest on the day.
var pinned = regexp.MustCompile(`^[^@]+(:[^:/@]+|@sha256:[0-9a-f]{64})$`)

// Builders checks that each step's image has a version.
func Builders(b *cloudbuildpb.Build) (faults error) {
	for _, step := range b.GetSteps() {
		if name := step.GetName(); !pinned.MatchString(name) || strings.HasSuffix(name, ":latest") {
			faults = errors.Join(faults, fmt.Errorf("step %s: the image %s has no version", step.GetId(), name))
		}
	}
	return faults
}
