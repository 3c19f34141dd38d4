// Package repo finds what is checked: the repository's files, and the manifests that kustomize makes of them.
package repo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Root is the repository's folder.
func Root(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "cloudbuild.yaml")); err != nil {
		t.Fatalf("not the repository's folder: %v", err)
	}
	return root
}

// Read returns a file of the repository.
func Read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), name)) //nolint:gosec // a name of the tests
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Folders are those that kustomize builds for a cluster, each with a Deployment; base and cluster are not applied by themselves.
func Folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(Root(t), "infra/kubernetes/overlays/*"))
	if err != nil || len(found) < 2 {
		t.Fatalf("overlays: %v, %v", found, err)
	}
	return append(found, filepath.Join(Root(t), "infra/kubernetes/plain"))
}

// Build is `kubectl kustomize folder`: manifests in YAML, one each.
func Build(t *testing.T, folder string) [][]byte {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	var texts [][]byte
	for _, resource := range m.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// Find decodes the one manifest of that kind and name, or prefix of a name that ends in -.
func Find(t *testing.T, manifests [][]byte, kind, name string, into any) {
	t.Helper()
	for _, text := range manifests {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind == kind && (head.Metadata.Name == name || strings.HasSuffix(name, "-") && strings.HasPrefix(head.Metadata.Name, name)) {
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatalf("%s %s: %v", kind, head.Metadata.Name, err)
			}
			return
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
}

// Module is the folder of a module that go.mod of the checks requires.
func Module(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output() //nolint:gosec // likewise
	if err != nil || len(out) < 2 {
		t.Fatalf("find %s: %v %s", path, err, out)
	}
	return strings.TrimSpace(string(out))
}
