// Package deploy runs the scripts of cloudbuild.yaml that speak with a registry, with the real client against a real registry.
package deploy

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

const crane = "github.com/google/go-containerregistry/cmd/crane"

// bench is a build's folder, with a registry.
type bench struct{ folder, registry, crane, caches string }

func newBench(t *testing.T) bench {
	t.Helper()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	b := bench{t.TempDir(), strings.TrimPrefix(server.URL, "http://") + "/p/studio", filepath.Join(t.TempDir(), "crane"), t.TempDir()}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.crane, crane).CombinedOutput(); err != nil {
		t.Fatalf("build crane: %v: %s", err, out)
	}
	for file, text := range map[string]string{"rollout/registry": b.registry + "\n", "go.mod": "module m\n", "go.sum": "", "infra/deploy/cache": string(repo.Read(t, "infra/deploy/cache"))} {
		write(t, filepath.Join(b.folder, file), text)
	}
	return b
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b bench) run(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join(repo.Root(t), "infra/deploy", script)}, args...)...)
	cmd.Dir = b.folder
	cmd.Env = append(os.Environ(), "CRANE="+b.crane, "BUILD_ID=b1", "GOMODCACHE="+b.caches+"/mod", "GOCACHE="+b.caches+"/build", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", script, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// built is what BuildKit writes: a layout of one index, which has the image and what is attested of it.
func built(t *testing.T, folder string) v1.Hash {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for range 2 {
		image, err := random.Image(1024, 2)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image})
	}
	if _, err := layout.Write(folder, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index})); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestImagesArePushedWholeAndCalledByDigest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	digest := built(t, filepath.Join(b.folder, "images/bridge"))
	b.run(t, "publish", "push", "bridge")
	called, err := os.ReadFile(filepath.Join(b.folder, "images/bridge.ref"))
	if want := b.registry + "/bridge@" + digest.String(); err != nil || strings.TrimSpace(string(called)) != want {
		t.Fatalf("it is called %q, %v; want %s", called, err, want)
	}
	tag, err := name.ParseReference(b.registry + "/bridge:b1")
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := index.IndexManifest(); err != nil || len(m.Manifests) != 2 {
		t.Errorf("the registry has %+v, %v; want the image and its attestation", m, err)
	}
}

func TestWhatGoCompiledIsThereForTheNextBuild(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if said := b.run(t, "cache", "fetch"); !strings.Contains(said, "none yet") {
		t.Errorf("the first build: %s", said)
	}
	compiled, module := filepath.Join(b.caches, "build/00/x-a"), filepath.Join(b.caches, "mod/cache/download/m")
	write(t, compiled, "compiled")
	write(t, module, "fetched")
	b.run(t, "cache", "keep")
	if err := os.RemoveAll(b.caches); err != nil {
		t.Fatal(err)
	}
	b.run(t, "cache", "fetch")
	for file, want := range map[string]string{compiled: "compiled", module: "fetched"} {
		if got, err := os.ReadFile(file); string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
	write(t, compiled, "compiled anew")
	b.run(t, "cache", "keep") // the same dependencies: what is kept is good enough
	b.run(t, "cache", "fetch")
	if got, _ := os.ReadFile(compiled); string(got) != "compiled" {
		t.Errorf("what is compiled is kept again with every build: %q", got)
	}
}

// The scripts run the client in the version that is tried here.
func TestScriptsRunTheClientThatIsTried(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/google/go-containerregistry").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"infra/deploy/cache", "infra/deploy/publish", "scripts/pin-images"} {
		if want := crane + "@" + strings.TrimSpace(string(out)); !strings.Contains(string(repo.Read(t, script)), want) {
			t.Errorf("%s does not run %s", script, want)
		}
	}
}
