//go:build terraform

package terraform

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

const root = "../../terraform"

func tool(t *testing.T) Tool {
	t.Helper()
	found, err := Find(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// scratch is a copy of infra/terraform with the manifests, runbooks and cloudbuild.yaml where it and its tests look for them: init
// writes a lock file beside what it reads, which would hold the checksums of the providers of this machine.
func scratch(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	copied := filepath.Join(top, "infra/terraform")
	for _, folder := range []string{"infra/terraform", "infra/kubernetes/cluster", "docs/runbooks"} {
		if err := os.CopyFS(filepath.Join(top, folder), os.DirFS(filepath.Join("../../..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	build, err := os.ReadFile("../../../cloudbuild.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "cloudbuild.yaml"), build, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders(t, copied) {
		if err := os.RemoveAll(filepath.Join(folder, ".terraform.lock.hcl")); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func folders(t *testing.T, in string) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"modules/*", "envs/*"} {
		found, err := filepath.Glob(filepath.Join(in, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s in %s: %v", pattern, in, err)
		}
		all = append(all, found...)
	}
	return all
}

// Each folder is formatted, fits the providers' schema, passes its own tests, and would change nothing by a second apply.
func TestEveryModule(t *testing.T) {
	t.Parallel()
	for _, folder := range folders(t, scratch(t)) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			plans := check(t, tool(t), folder)
			if filepath.Base(folder) != "example" {
				return
			}
			for name, plan := range SecondApplies(plans) {
				for _, v := range Violations(plan.Resources) {
					t.Errorf("%s: %s", name, v)
				}
			}
			judge(t, plans[SecondApply])
		})
	}
}

func check(t *testing.T, tool Tool, folder string) map[string]Plan {
	t.Helper()
	if err := tool.Validate(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	plans, err := tool.Plans(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plans[SecondApply]; !ok {
		t.Fatalf("%s has no run %s", folder, SecondApply)
	}
	for name, again := range SecondApplies(plans) {
		if len(again.Resources) == 0 {
			t.Errorf("%s of %s has no resource", name, folder)
		}
		if changes := again.Changes(); len(changes) > 0 {
			t.Errorf("%s of %s: %s", name, folder, strings.Join(changes, "; "))
		}
	}
	return plans
}

// judge holds what a deployment gives to programs against their own parsers.
func judge(t *testing.T, plan Plan) {
	t.Helper()
	var deployment struct {
		Pools   json.RawMessage `json:"pools"`
		Tenants json.RawMessage `json:"tenants"`
	}
	if err := json.Unmarshal(plan.Outputs["deployment"].After, &deployment); err != nil {
		t.Fatal(err)
	}
	if list, err := pool.Parse(string(deployment.Pools)); err != nil || len(list) != 3 {
		t.Errorf("the programs do not take the pools: %v", err)
	}
	if set, err := tenant.Parse(deployment.Tenants); err != nil || len(set.All()) != 2 {
		t.Errorf("the programs do not take the tenants: %v", err)
	}
	judgeSettings(t, plan)
}

// judgeSettings reads POOLS as the services get it.
func judgeSettings(t *testing.T, plan Plan) {
	t.Helper()
	found := 0
	for _, r := range plan.Resources {
		if r.Type != "google_cloud_run_v2_service" {
			continue
		}
		for _, template := range blocks(r.Change.After, "template") {
			for _, container := range blocks(template, "containers") {
				for _, env := range blocks(container, "env") {
					if env["name"] != "POOLS" {
						continue
					}
					found++
					if _, err := pool.Parse(env["value"].(string)); err != nil { //nolint:forcetypeassert // a value of ours
						t.Errorf("%s: POOLS: %v", r.Address, err)
					}
				}
			}
		}
	}
	if found != 1 {
		t.Errorf("POOLS is set for %d services; want 1", found)
	}
}

// Every check catches what it is for: each mistake is planted in a copy.
func TestPlantedMistakesAreFound(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/mistakes.json")
	if err != nil {
		t.Fatal(err)
	}
	var mistakes []struct{ Name, Check, File, Old, New, Says string }
	if err := json.Unmarshal(text, &mistakes); err != nil || len(mistakes) < 10 {
		t.Fatalf("%d mistakes: %v", len(mistakes), err)
	}
	for _, m := range mistakes {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			copied := scratch(t)
			file := filepath.Join(copied, m.File)
			was, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(was), m.Old) {
				t.Fatalf("%s does not hold %q: %v", m.File, m.Old, err)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(was), m.Old, m.New, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			said := find(t, m.Check, copied, m.File)
			if said == "" || !strings.Contains(said, m.Says) {
				t.Errorf("%s says %q; want %q", m.Check, said, m.Says)
			}
		})
	}
}

// find runs one check on a copy and returns what it says against it.
func find(t *testing.T, what, copied, file string) string {
	t.Helper()
	parts := strings.Split(file, "/")
	folder := filepath.Join(copied, parts[0], parts[1])
	tool := tool(t)
	switch what {
	case "validate":
		return says(tool.Validate(t.Context(), folder))
	case "test":
		if err := tool.Validate(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		return says(tool.Test(t.Context(), folder))
	case "policy", "second apply":
		folder = filepath.Join(copied, "envs/example")
		if err := tool.Validate(t.Context(), folder); err != nil {
			t.Fatal(err)
		}
		plans, err := tool.Plans(t.Context(), folder)
		if err != nil {
			t.Fatal(err)
		}
		if what == "policy" {
			return strings.Join(Violations(plans[SecondApply].Resources), "\n")
		}
		return strings.Join(plans[SecondApply].Changes(), "\n")
	default: // a program of its own: infra/terraform/lint NAME FOLDER
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, "lint"), what, copied).CombinedOutput()
		if err == nil {
			return ""
		}
		return string(out)
	}
}

func says(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
