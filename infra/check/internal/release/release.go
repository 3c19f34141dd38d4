// Package release makes what Terraform installs into the cluster: the values by Terraform's module cluster with the variables of
// its test, and the manifests of them by Helm's own engine. Nothing is reached but Terraform's providers.
package release

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
	"github.com/leaf-ai/studio-cloud-runner/infra/check/terraform"
)

// module is the module's folder in the repository, and in a copy of what it reads.
const module = "infra/terraform/modules/cluster"

// Mistake is put into a file of the repository, or rather of the copy that is checked.
type Mistake struct{ File, Old, New string }

// Manifests are those of the release, in the order in which Helm makes them.
func Manifests(t *testing.T, mistakes ...Mistake) [][]byte {
	t.Helper()
	copied := t.TempDir()
	for _, folder := range []string{module, "infra/kubernetes/cluster"} {
		if err := os.CopyFS(filepath.Join(copied, folder), os.DirFS(filepath.Join(repo.Root(t), folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range mistakes {
		plant(t, filepath.Join(copied, m.File), m)
	}
	folder := filepath.Join(copied, module)
	return render(t, filepath.Join(folder, "chart"), values(t, folder))
}

func plant(t *testing.T, file string, m Mistake) {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // a name of the tests
	if err != nil || !strings.Contains(string(text), m.Old) {
		t.Fatalf("%s does not hold %q: %v", m.File, m.Old, err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), m.Old, m.New, 1)), 0o600); err != nil { //nolint:gosec // likewise
		t.Fatal(err)
	}
}

// values are those that Terraform plans for the release.
func values(t *testing.T, folder string) map[string]any {
	t.Helper()
	tool, err := terraform.Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := tool.Validate(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	plans, err := tool.Plans(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range plans[terraform.SecondApply].Resources {
		if texts, ok := r.Change.After["values"].([]any); ok && r.Address == "helm_release.studio" && len(texts) == 1 {
			return decode(t, texts[0])
		}
	}
	t.Fatal("the plan has no release studio with its values")
	return nil
}

func decode(t *testing.T, text any) (values map[string]any) {
	t.Helper()
	s, ok := text.(string)
	if err := yaml.UnmarshalStrict([]byte(s), &values); err != nil || !ok {
		t.Fatalf("the release's values: %v", err)
	}
	return values
}

func render(t *testing.T, folder string, values map[string]any) (texts [][]byte) {
	t.Helper()
	chart, err := loader.LoadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "studio", Namespace: "keda", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, all)
	hooks, manifests, sortErr := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err := errors.Join(err, sortErr); err != nil || len(hooks) > 0 {
		t.Fatalf("Helm: %v, %d hooks", err, len(hooks))
	}
	for _, m := range manifests {
		texts = append(texts, []byte(m.Content+"\n"))
	}
	return texts
}
