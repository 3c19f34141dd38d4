package main

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// object is a piece of a manifest.
type object = map[string]any

const header = "# Rendered by `go run ./infra/kubernetes/render`; change the deployment, not this file.\n"

// overlays are all files, by their names.
func (d *deployment) overlays(image string) (map[string][]byte, error) {
	files := map[string]any{}
	for _, p := range d.pools {
		if p.Kind == pool.KindGKE {
			files[filepath.Join(p.Name, "kustomization.yaml")] = d.overlay(p, image)
		}
	}
	texts := map[string][]byte{}
	for name, content := range files {
		var text bytes.Buffer
		text.WriteString(header)
		encoder := yaml.NewEncoder(&text)
		encoder.SetIndent(2)
		if err := encoder.Encode(content); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		texts[name] = text.Bytes()
	}
	return texts, nil
}

func kustomization(content object) object {
	all := object{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "studio"}
	maps.Copy(all, content)
	return all
}

// patch is a strategic merge, or a JSON merge where the kind is a custom one.
func patch(kind, name string, content object) object {
	version := map[string]string{"Deployment": "apps/v1", "ScaledObject": "keda.sh/v1alpha1"}[kind]
	whole := object{"apiVersion": version, "kind": kind}
	maps.Copy(whole, content)
	text, err := yaml.Marshal(whole)
	if err != nil {
		panic(err) // maps and texts of our own
	}
	return object{"target": object{"kind": kind, "name": name}, "patch": string(text)}
}

// overlay is a pool's.
func (d *deployment) overlay(p pool.Pool, image string) object {
	name, by, version := image, "newTag", "latest"
	if repository, digest, ok := strings.Cut(image, "@"); ok {
		name, by, version = repository, "digest", digest
	} else if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		name, version = image[:at], image[at+1:]
	}
	return kustomization(object{
		"resources":  []string{"../../base"},
		"nameSuffix": "-" + p.Name,
		"labels":     []object{{"pairs": object{poolLabel: p.Name}, "includeSelectors": true, "includeTemplates": true}},
		"images":     []object{{"name": "executor", "newName": name, by: version}},
		"patches": []object{
			patch("Deployment", "executor", object{"metadata": object{"name": "executor"}, "spec": podPatch(p)}),
			patch("ScaledObject", "executor", object{"metadata": object{"name": "executor"}, "spec": d.scaler(p)}),
		},
	})
}

// poolLabel is the pods' and, as Terraform makes them, their nodes'.
const poolLabel = "studio-pool"

// What a pod needs beside what its experiments may have.
const (
	ownCPU    = 250       // thousandths
	ownMemory = 256 << 20 // bytes
	cache     = 50 << 30  // environments and downloads; the executor keeps to it
)

// podPatch places the pod on the pool's nodes and gives it what the pool says that experiments have. Disk is asked for and not
// limited: the kubelet would evict the pod, and all experiments with it, for what one of them writes.
func podPatch(p pool.Pool) object {
	memory := strconv.FormatInt(p.RAM+ownMemory, 10)
	disk := strconv.FormatInt(p.HDD+cache, 10)
	requests := object{"cpu": fmt.Sprintf("%dm", p.CPUs*1000+ownCPU), "memory": memory, "ephemeral-storage": disk}
	limits := object{"memory": memory}
	if p.GPUs > 0 {
		limits["nvidia.com/gpu"] = strconv.Itoa(p.GPUs)
	}
	return object{"template": object{"spec": object{
		"nodeSelector": object{poolLabel: p.Name},
		"tolerations":  []object{{"key": poolLabel, "operator": "Equal", "value": p.Name, "effect": "NoSchedule"}},
		"containers": []object{{
			"name": "executor", "env": []object{{"name": "POOL", "value": p.Name}, {"name": "CACHE_LIMIT", "value": strconv.Itoa(cache)}},
			"resources": object{"requests": requests, "limits": limits},
		}},
	}}}
}

// sortedKeys keeps what is rendered the same.
func sortedKeys(m map[string]int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return m[a] - m[b] })
}
