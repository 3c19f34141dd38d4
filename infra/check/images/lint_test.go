package images

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

func TestDockerfiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(repo.Root(t), "infra/images/*/Dockerfile"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		name := filepath.Join("infra/images", filepath.Base(filepath.Dir(file)), "Dockerfile")
		if err := Lint(t.Context(), name, repo.Read(t, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestMistakesInADockerfileAreFound(t *testing.T) {
	t.Parallel()
	text := string(repo.Read(t, "infra/images/executor/Dockerfile"))
	for name, tc := range map[string]struct{ old, new, want string }{
		"an instruction that there is not": {"WORKDIR /src", "WORKDIRR /src", "WORKDIRR"},
		"a stage that there is not":        {"--from=build", "--from=biuld", "no stage or base"},
		"a base that nothing pins":         {"FROM ${CUDA}", "FROM ubuntu:24.04", "nothing pins it"},
		"a base of whatever version":       {"golang:1.26.8-bookworm", "golang:latest", "name a version"},
		"a base without a digest":          {"@sha256:", "#", "name a version"},
		"a digest that is none":            {"@sha256:", "@sha256:0", "name a version"},
		"a variable that is not set":       {"FROM ${CUDA}", "FROM ${CUDAA}", "CUDAA"},
		"a command without its quotes":     {`ENTRYPOINT ["/usr/local/bin/executor"]`, `ENTRYPOINT /usr/local/bin/executor`, "JSONArgsRecommended"},
		"a secret in the image":            {"LANG=C.UTF-8", "SECRET_TOKEN=swordfish", "SecretsUsedInArgOrEnv"},
	} {
		broken := strings.Replace(text, tc.old, tc.new, 1)
		if err := Lint(t.Context(), "Dockerfile", []byte(broken)); broken == text || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// Experiments run here are given the uv that the local cloud and the tests have.
func TestTheImageHasTheUvThatIsTested(t *testing.T) {
	t.Parallel()
	version := strings.TrimSpace(string(repo.Read(t, "scripts/uv.version")))
	if !regexp.MustCompile(`(?m)^ARG UV=[^ ]*:` + regexp.QuoteMeta(version) + `(@.*)?$`).Match(repo.Read(t, "infra/images/executor/Dockerfile")) {
		t.Errorf("scripts/uv.version says %s, the image has another", version)
	}
}
