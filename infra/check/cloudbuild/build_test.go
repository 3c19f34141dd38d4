package cloudbuild

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// changing are the steps that change the deployment, and those that come after one has.
func changing(id string) bool {
	return slices.Contains([]string{"candidates", "executors", "traffic"}, id)
}

func check(text, guide, makefile string) error {
	b, err := Parse([]byte(text))
	if err != nil {
		return err
	}
	for _, err := range []error{Gates(b, changing), Substitutions(b, guide), Targets(b, makefile), Builders(b)} {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTheBuild(t *testing.T) {
	t.Parallel()
	if err := check(files(t)); err != nil {
		t.Error(err)
	}
	b, err := Parse(repo.Read(t, "cloudbuild.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"lint", "test", "scan", "push", "sign", "candidates", "executors", "traffic", "smoke"} {
		if !slices.ContainsFunc(b.GetSteps(), func(s *cloudbuildpb.BuildStep) bool { return s.GetId() == id }) {
			t.Errorf("there is no step %s", id)
		}
	}
	if b.GetServiceAccount() == "" || strings.Contains(b.GetServiceAccount(), "compute@") {
		t.Error("it runs as an account that may do anything")
	}
}

func TestMistakesInTheBuildAreFound(t *testing.T) {
	t.Parallel()
	text, guide, makefile := files(t)
	scanner := regexp.MustCompile(`aquasec/trivy:\S+`).FindString(text)
	for name, tc := range map[string]struct{ old, new, want string }{
		"a member that there is not":     {"waitFor: [render]", "waitsFor: [render]", "waitsFor"},
		"a member twice":                 {"timeout: 10800s", "timeout: 10800s\ntimeout: 60s", "timeout"},
		"another enum":                   {"CLOUD_LOGGING_ONLY", "CLOUD_LOGGING", "CLOUD_LOGGING"},
		"a duration without a unit":      {"timeout: 10800s", "timeout: 10800", "10800"},
		"a step that there is not":       {"waitFor: [builder, facts]", "waitFor: [builders, facts]", `"builders"`},
		"two steps of one name":          {"id: lint", "id: test", "another's"},
		"a deployment before the tests":  {"waitFor: [ready, lint, test, scan]", "waitFor: [ready, lint, scan]", "does not wait for test"},
		"a deployment before the scan":   {"waitFor: [ready, lint, test, scan]", "waitFor: [ready, lint, test, build-executor, build-finalize]", "does not wait for scan"},
		"a step that may fail":           {"    waitFor: [lint]\n", "    waitFor: [lint]\n    allowFailure: true\n", "may fail"},
		"a substitution without a value": {"$_CONFIG_BUCKET", "$_CONFIG_BUCKETS", "no value"},
		"a substitution for nothing":     {"  _NAME: studio\n", "  _NAME: studio\n  _UNUSED: x\n", "_UNUSED"},
		"a tool beside the Makefile":     {"script: make lint", "script: golangci-lint run", "golangci-lint"},
		"a target that there is not":     {"script: make lint", "script: make lints", "lints"},
		"an image of no version":         {scanner, "aquasec/trivy", "no version"},
		"an image of whatever version":   {scanner, "aquasec/trivy:latest", "no version"},
	} {
		broken := strings.Replace(text, tc.old, tc.new, 1)
		if err := check(broken, guide, makefile); broken == text || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	for _, tc := range [][2]string{{"", "_SEVERITY is not documented"}, {"`_SEVERITY` | | |\n| `_GONE`", "_GONE is documented"}} {
		if err := check(text, strings.ReplaceAll(guide, "`_SEVERITY`", tc[0]), makefile); err == nil || !strings.Contains(err.Error(), tc[1]) {
			t.Errorf("%v, want %s", err, tc[1])
		}
	}
}

func files(t *testing.T) (build, guide, makefile string) {
	t.Helper()
	return string(repo.Read(t, "cloudbuild.yaml")), string(repo.Read(t, "infra/README.md")), string(repo.Read(t, "Makefile"))
}
