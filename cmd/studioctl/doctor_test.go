package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
)

// described is a deployment as Terraform describes it.
const described = `{"project":"p","region":"r","name":"lab","topics":{"events":"studio-events"},
	"workers":{"relay":"studio-relay-worker"},"pools":[{"name":"small","kind":"gke","cpus":1,"ram":"1gb","hdd":"1gb","machine":{"max_nodes":2}},
		{"name":"gpu","kind":"gke","gpus":1,"gpu_mem":"16gb","cpus":1,"ram":"1gb","hdd":"1gb","machine":{"max_nodes":3,"gpu_type":"nvidia-l4","spot":true}}],
	"tenants":{"tenants":[{"prefix":"rmq_a","store":"a-store","metadata":"a-meta","buckets":["shared","b-store"]},{"prefix":"rmq_b","store":"b-store","metadata":"a-meta"}]}}`

// examine runs doctor where nothing answers.
func examine(t *testing.T, deployment string, args ...string) (code int, out, errOut string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deployment.json")
	if err := os.WriteFile(file, []byte(deployment), 0o600); err != nil {
		t.Fatal(err)
	}
	env := envconfig.MapLookuper(map[string]string{"HOME": t.TempDir(), "PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "STORAGE_EMULATOR_HOST": "127.0.0.1:1"})
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"doctor", "--deployment", file, "--within", "1s"}, args...), env, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestDoctorExaminesWhatTerraformDescribesAndFailsWhereACheckDoes(t *testing.T) {
	t.Parallel()
	code, out, errOut := examine(t, described, "--json", "--skip", "bucket b*", "--skip", "scheduler")
	if code != 1 || !strings.Contains(errOut, "checks failed") {
		t.Errorf("doctor = %d, %s", code, errOut)
	}
	found := map[string]doctor.Finding{}
	for line := range strings.Lines(out) {
		var l doctor.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		found[l.Check] = l.Finding
	}
	for check, want := range map[string]doctor.Status{
		"rabbitmq": doctor.NotHere, "bucket a-store": doctor.Fail, "bucket a-meta": doctor.Fail, "bucket shared": doctor.Fail, "bucket b-store": doctor.NotHere, "scheduler": doctor.NotHere,
		"pubsub studio-requests-small": doctor.Fail, "notifications b-store": doctor.Fail, "executors small": doctor.NotHere,
		"pubsub studio-artifacts": doctor.Fail, "trigger a-store": doctor.NotHere, "dead letter rights": doctor.NotHere, "gpu quota": doctor.NotHere,
	} {
		if got := found[check]; got.Status != want || want == doctor.Fail && got.Next == "" {
			t.Errorf("%s: %+v; want %s, and what to do", check, got, want)
		}
	}
	if says := found["bucket b-store"].Says; says != "left out by --skip" {
		t.Errorf("a check that is left out says %q", says)
	}
}

func TestDoctorTellsPeopleWhatToDoNext(t *testing.T) {
	t.Parallel()
	code, out, _ := examine(t, described)
	if code != 1 || !strings.Contains(out, "not here  rabbitmq: nothing says where RabbitMQ is\n          next: set AMQP_URL") || !strings.Contains(out, "fail      bucket a-store: ") {
		t.Errorf("doctor = %d:\n%s", code, out)
	}
}

func TestDoctorRefusesADeploymentThatNamesNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no JSON": "x", "no tenant": `{"project":"p"}`, "no pool": strings.Replace(described, `"pools"`, `"others"`, 1)} {
		if code, out, errOut := examine(t, text); code != 1 || out != "" || !strings.Contains(errOut, "read the deployment") {
			t.Errorf("%s: doctor = %d, %q, %q", name, code, out, errOut)
		}
	}
}

func TestDoctorKnowsMachinesAndBucketsOfWhatTerraformDescribes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "deployment.json")
	if err := os.WriteFile(file, []byte(described), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{env: envconfig.MapLookuper(map[string]string{"HOME": t.TempDir()})}
	d, err := a.patient(nil, doctorFlags{deployment: file})
	if want := (doctor.Machine{MaxNodes: 3, GPUType: "nvidia-l4", Spot: true}); err != nil || d.Machines["gpu"] != want {
		t.Errorf("patient has %+v, %v; want %+v", d.Machines, err, want)
	}
	if d.Worker != "studio-relay-worker" {
		t.Errorf("the worker is %q", d.Worker)
	}
	if !slices.Equal(d.Readable, []string{"shared"}) { // b-store is a store
		t.Errorf("it only reads %q", d.Readable)
	}
}
