package settings

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// program reads the sources in which a program's settings are.
func program(t *testing.T, name string, files ...string) Program {
	t.Helper()
	var text strings.Builder
	for _, file := range files {
		text.Write(repo.Read(t, file))
	}
	return Read(name, text.String())
}

func programs(t *testing.T) map[string]Program {
	t.Helper()
	all := map[string]Program{
		"executor": program(t, "executor", "executor/config.go"),
		"worker":   program(t, "bridge (Relay)", "functions/bridge/cmd/bridge/config.go", "functions/bridge/internal/relay/config.go"),
		"relay":    program(t, "bridge (Relay)", "functions/bridge/cmd/bridge/config.go", "functions/bridge/internal/relay/config.go"),
		"report":   program(t, "bridge (Report)", "functions/bridge/cmd/bridge/config.go", "functions/bridge/internal/report/config.go"),
		"finalize": program(t, "finalize", "functions/finalize/cmd/finalize/config.go", "functions/finalize/internal/finalizer/config.go"),
	}
	for name, wants := range map[string][]string{ // what is found must be what there is
		"executor": {"GOOGLE_CLOUD_PROJECT", "POOL", "POOLS", "TENANTS"}, "relay": {"AMQP_URL", "GOOGLE_CLOUD_PROJECT", "POOLS", "TENANTS"},
		"report": {"AMQP_URL", "TENANTS"}, "finalize": {"GOOGLE_CLOUD_PROJECT", "TENANTS"},
	} {
		var got []string
		for _, setting := range slices.Sorted(maps.Keys(all[name].Requires)) {
			if all[name].Requires[setting] {
				got = append(got, setting)
			}
		}
		if !slices.Equal(got, wants) {
			t.Fatalf("%s requires %v; the sources are read as %v", name, wants, got)
		}
	}
	return all
}

func TestManifestsSetWhatTheExecutorReadsAndAllThatItRequires(t *testing.T) {
	t.Parallel()
	executor := programs(t)["executor"]
	var shared corev1.ConfigMap
	repo.Find(t, repo.Build(t, filepath.Join(repo.Root(t), "infra/kubernetes/plain")), "ConfigMap", "studioml-env", &shared)
	n := 0
	for _, folder := range repo.Folders(t) {
		var d appsv1.Deployment
		repo.Find(t, repo.Build(t, folder), "Deployment", "executor-", &d)
		c := d.Spec.Template.Spec.Containers[0]
		if len(c.EnvFrom) != 1 || c.EnvFrom[0].ConfigMapRef.Name != shared.Name {
			t.Fatalf("%s: settings from %+v", folder, c.EnvFrom)
		}
		names := slices.Collect(maps.Keys(shared.Data))
		for _, e := range c.Env {
			names = append(names, e.Name)
		}
		if err := executor.Check(filepath.Base(folder), names); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 3 {
		t.Errorf("%d deployments were seen", n)
	}
}

// blocks of Terraform that set a program's environment.
var blocks = []struct{ file, begin, program string }{
	{"infra/terraform/modules/functions/services.tf", "\n    relay = {", "relay"},
	{"infra/terraform/modules/functions/services.tf", "\n    report = {", "report"},
	{"infra/terraform/modules/functions/services.tf", "\n    finalize = {", "finalize"},
	{"infra/terraform/modules/functions/worker.tf", `dynamic "env" {`, "worker"},
	{"infra/terraform/modules/executor/jobs.tf", `dynamic "env" {`, "executor"},
}

// secrets are what a service is given beside its map: every service in the network has the broker's address from Secret Manager.
func secrets(program, text, hcl string) []string {
	if strings.Contains(hcl, `name = "AMQP_URL"`) && (program == "worker" || strings.Contains(text, "vpc     = true")) {
		return []string{"AMQP_URL"}
	}
	return nil
}

func check(programs map[string]Program, hcl, begin, program string) error {
	names, err := Terraform(hcl, begin)
	if err != nil {
		return err
	}
	text, err := block(hcl, begin)
	if err != nil {
		return err
	}
	return programs[program].Check("Terraform's "+program, append(names, secrets(program, text, hcl)...))
}

// inlined has the service's settings where the worker takes them over.
func inlined(t *testing.T, worker string) string {
	t.Helper()
	services := string(repo.Read(t, blocks[0].file))
	relay, err := block(services, blocks[0].begin)
	if err != nil || !strings.Contains(worker, "merge(local.services.relay.env, {") {
		t.Fatalf("the worker does not take over the settings of the service: %v", err)
	}
	return strings.Replace(worker, "merge(local.services.relay.env, {", "merge({"+relay, 1) + services
}

func TestTerraformSetsWhatProgramsReadAndAllThatTheyRequire(t *testing.T) {
	t.Parallel()
	all := programs(t)
	for _, b := range blocks {
		hcl := string(repo.Read(t, b.file))
		if b.program == "worker" {
			hcl = inlined(t, hcl)
		}
		if err := check(all, hcl, b.begin, b.program); err != nil {
			t.Errorf("%s: %v", b.file, err)
		}
	}
}

func TestMistakesOfSettingsAreFound(t *testing.T) {
	t.Parallel()
	all := programs(t)
	hcl := string(repo.Read(t, blocks[0].file))
	for name, tc := range map[string]struct{ old, new, begin, program, want string }{
		"a misspelt setting":               {"RELAY_DEADLINE ", "RELAY_DEADLINES ", blocks[0].begin, "relay", "sets RELAY_DEADLINES, which bridge (Relay) does not read"},
		"a required one that is not set":   {"POOLS ", "# POOL ", blocks[0].begin, "relay", "does not set POOLS"},
		"one of all that is not set":       {"TENANTS ", "TENANT ", blocks[2].begin, "finalize", "does not set TENANTS"},
		"the broker's address is not set":  {`name = "AMQP_URL"`, `name = "AMQP_URI"`, blocks[1].begin, "report", "does not set AMQP_URL"},
		"a program that is not there":      {"\n    report = {", "\n    reports = {", blocks[1].begin, "report", "there is no"},
		"a setting of another program":     {"EVENTS_TOPIC = var.topics.events })", "EVENTS_TOPIC = var.topics.events, POOLS = 1 })", blocks[2].begin, "finalize", "sets POOLS"},
		"a map that is not in this module": {"merge(local.common, { EVENTS", "merge(local.comon, { EVENTS", blocks[2].begin, "finalize", "there is no map comon"},
	} {
		broken := strings.Replace(hcl, tc.old, tc.new, 1)
		if err := check(all, broken, tc.begin, tc.program); broken == hcl || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	executor := all["executor"]
	for want, set := range map[string][]string{
		"sets MAX_CONCURENT":   {"GOOGLE_CLOUD_PROJECT", "POOL", "POOLS", "TENANTS", "MAX_CONCURENT"},
		"does not set POOL,":   {"GOOGLE_CLOUD_PROJECT", "POOLS", "TENANTS"},
		"does not set TENANTS": {"GOOGLE_CLOUD_PROJECT", "POOL", "POOLS"},
	} {
		if err := executor.Check("a manifest", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", set, err, want)
		}
	}
}
