package manifests

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/release"
	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// What Terraform installs is made of the plain file's manifests and of its own words, which nothing else would check.
func TestWhatTerraformInstallsIsWhatThePlainFileHas(t *testing.T) {
	t.Parallel()
	installed, plain := release.Manifests(t), repo.Build(t, repo.Root(t)+"/infra/kubernetes/plain")
	if err := strict(t, installed); err != nil {
		t.Error(err)
	}
	has := names(t, installed)
	for name := range names(t, plain) {
		if pool := strings.HasSuffix(name, " executor-gpu-t4"); !pool && !has[name] {
			t.Errorf("Terraform does not install %s", name)
		}
	}
	for _, name := range []string{"TriggerAuthentication google-cloud", "Role build", "RoleBinding build"} {
		if !has[name] {
			t.Errorf("Terraform does not install %s", name)
		}
	}
	for _, name := range []string{"studioml-env", "studioml-tenants"} {
		got, want := slices.Sorted(maps.Keys(shared(t, installed, name))), slices.Sorted(maps.Keys(shared(t, plain, name)))
		if !slices.Equal(got, want) {
			t.Errorf("%s: Terraform sets %v, the plain file %v", name, got, want)
		}
	}
	if text := shared(t, installed, "studioml-tenants")["tenants.json"]; !strings.Contains(text, "{{ .Values }}") {
		t.Errorf("Helm takes what a tenant says for a template: %s", text)
	}
	if _, err := tenant.Parse([]byte(shared(t, plain, "studioml-tenants")["tenants.json"])); err != nil {
		t.Error(err)
	}
	t.Run("Cloud Build may do what a rollout does, and nothing else", func(t *testing.T) {
		t.Parallel()
		var role rbacv1.Role
		repo.Find(t, installed, "Role", "build", &role)
		if may, does := granted(role), rollout(t, string(repo.Read(t, "infra/deploy/roll"))); !slices.Equal(may, does) {
			t.Errorf("it may  %v\nit does %v", may, does)
		}
	})
}

func TestAMistakeInTerraformsManifestsIsFound(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]release.Mistake{
		"a misspelt member": {File: "infra/terraform/modules/cluster/main.tf", Old: "podSelector = {", New: "podSelektor = {"},
		"another type":      {File: "infra/terraform/modules/cluster/main.tf", Old: "port = 443", New: "port = true"},
		"no such kind":      {File: "infra/terraform/modules/cluster/main.tf", Old: `"NetworkPolicy"`, New: `"NetworkPolice"`},
		"KEDA misspelt":     {File: "infra/kubernetes/cluster/scaling.yaml", Old: "podIdentity", New: "podIdentify"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strict(t, release.Manifests(t, m)) == nil {
				t.Error("taken")
			}
		})
	}
}

func strict(t *testing.T, texts [][]byte) error {
	t.Helper()
	decoder, err := Decoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if _, _, err := decoder.Decode(text, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func names(t *testing.T, texts [][]byte) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, text := range texts {
		var m struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		found[m.Kind+" "+m.Metadata.Name] = true
	}
	return found
}

func granted(role rbacv1.Role) (all []string) {
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, resource+" "+verb)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// asks are the verbs of Kubernetes' API that a command of kubectl takes: https://kubernetes.io/docs/reference/access-authn-authz/authorization/
var asks = map[string][]string{
	"apply":  {"create", "get", "patch"}, // on the server's side
	"get":    {"get", "list"},
	"delete": {"delete", "get"},
}

var command = regexp.MustCompile(`\bkube ([a-z]+)`)

// rollout is what the script does to the kinds that an overlay has, which it goes through for most of its commands.
func rollout(t *testing.T, script string) (all []string) {
	t.Helper()
	for _, found := range command.FindAllStringSubmatch(script, -1) {
		verbs, ok := asks[found[1]]
		if !ok {
			t.Fatalf("which verbs does `kubectl %s` need? Add it to this test", found[1])
		}
		for _, kind := range []string{"deployments", "poddisruptionbudgets", "scaledobjects"} {
			for _, verb := range verbs {
				all = append(all, kind+" "+verb)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
