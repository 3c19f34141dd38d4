package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
)

// ownedCluster is one that Terraform describes, whose other keys are in Kubernetes, and a user of its.
type ownedCluster struct {
	clusterKeys
	secrets string
}

func newOwnedCluster(t *testing.T) ownedCluster {
	t.Helper()
	c := ownedCluster{clusterKeys: newClusterKeys(t)}
	maps.Copy(c.env, map[string]string{"PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "STORAGE_EMULATOR_HOST": "127.0.0.1:1"})
	var items []any
	for folder, name := range map[string]string{"keys": requestSecret, "phrases": passphraseSecret, "signers": signingSecret, "reports": reportSecret} {
		data := map[string][]byte{}
		for file, text := range contents(t, c.path(folder)) {
			data[file] = []byte(text)
		}
		items = append(items, map[string]any{"kind": "Secret", "metadata": map[string]string{"name": name}, "data": data})
	}
	list, err := json.Marshal(map[string]any{"kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	c.secrets = string(list)
	tenants := read(t, c.path("tenants.json"))
	c.put("deployment.json", fmt.Sprintf(`{"project":"p","region":"r","pools":[{"name":"small","kind":"gke","cpus":1,"ram":"1gb","hdd":"1gb"}],"tenants":%s}`, tenants))
	return c
}

// uses makes a context of the user's, whose store is one of the deployment's.
func (c ownedCluster) uses(queue string, settings ...string) {
	c.t.Helper()
	c.must(append([]string{"context", "set", "owner", "--project", "p", "--store", "own-store", "--metadata", "own-metadata", "--queue", queue}, settings...)...)
	c.must("context", "use", "owner")
}

// keysLine is what doctor says of keys, and all that it prints.
func (c ownedCluster) keysLine(stdin string, args ...string) (f doctor.Finding, printed string) {
	c.t.Helper()
	var out, errOut bytes.Buffer
	root := newRoot(&app{env: envconfig.MapLookuper(c.env), out: &out, errOut: &errOut})
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(append([]string{"doctor", "--json", "--within", "1s", "--skip", "b*", "--skip", "n*", "--skip", "p*", "--skip", "d*"}, args...))
	_ = root.ExecuteContext(c.t.Context()) // what else it says is not asked here
	for text := range strings.Lines(out.String()) {
		var l doctor.Line
		if err := json.Unmarshal([]byte(text), &l); err == nil && l.Check == "keys" {
			f = l.Finding
		}
	}
	return f, out.String() + errOut.String()
}

func TestDoctorComparesTheContextsKeysWithThoseOfTheCluster(t *testing.T) {
	t.Parallel()
	c := newOwnedCluster(t)
	other := c.makes("signing", c.path("stranger"))
	mine := []string{"--request-key", c.path("request.pub.pem"), "--signing-key", c.path("signing"), "--report-key", c.path("report.pem")}
	stranger := slices.Replace(slices.Clone(mine), 3, 4, other.Files["private"])
	described, given := []string{"--deployment", c.path("deployment.json")}, []string{"--secrets", "-"}
	both := append(slices.Clone(described), given...)
	tests := []struct {
		name, queue    string
		settings, args []string
		status         doctor.Status
		says           string
	}{
		{"all fit", "rmq_lab_1", mine, both, doctor.Pass, "your 3 keys for the queue rmq_lab_1"},
		{"of the context alone", "rmq_lab_1", mine, given, doctor.Pass, "your 3 keys for the queue rmq_lab_1"},
		{"signing key of another's", "rmq_lab_1", stranger, both, doctor.Fail, other.Fingerprint + ") is none of those that the cluster has for the queue rmq_lab_1"},
		{"signing key of the tenant", "rmq_own_1", mine[2:4], described, doctor.Pass, "your 1 keys for the queue rmq_own_1"},
		{"not that of the tenant", "rmq_own_1", stranger[2:4], described, doctor.Fail, "is none of those"},
		{"request key not known", "rmq_own_1", mine[:4], described, doctor.NotHere, "not known here: request"},
		{"report key for others", "rmq_own_1", mine[4:], both, doctor.Fail, "begin with rmq_lab, not for rmq_own_1"},
	}
	for _, tc := range tests {
		c.must("context", "set", "owner", "--project", "p", "--store", "own-store", "--metadata", "own-metadata")
		c.must("context", "delete", "owner")
		c.uses(tc.queue, tc.settings...)
		f, printed := c.keysLine(c.secrets, tc.args...)
		if f.Status != tc.status || !strings.Contains(f.Says, tc.says) || strings.Contains(printed, "PRIVATE") {
			t.Errorf("%s: %+v; want %s, %q, and nothing secret in:\n%s", tc.name, f, tc.status, tc.says, printed)
		}
	}
}

func TestDoctorLeavesOutKeysOfAContextThatIsOfAnotherDeployment(t *testing.T) {
	t.Parallel()
	c := newOwnedCluster(t)
	c.must("context", "set", "owner", "--project", "q", "--store", "other", "--metadata", "other", "--signing-key", c.path("stranger"))
	c.must("context", "use", "owner")
	f, _ := c.keysLine(c.secrets, "--deployment", c.path("deployment.json"), "--secrets", "-")
	if f.Status != doctor.NotHere || !strings.Contains(f.Says, "none of the cluster's 6 keys is at fault") {
		t.Errorf("keys: %+v", f)
	}
}

func TestDoctorNamesKeysOfTheClusterThatAreAtFaultAndShowsNothingOfThem(t *testing.T) {
	t.Parallel()
	c := newOwnedCluster(t)
	ill := strings.ReplaceAll(read(t, c.path("deployment.json")), "ssh-ed25519 ", "ssh-ed25519 hunter2")
	c.put("deployment.json", ill)
	f, printed := c.keysLine("", "--deployment", c.path("deployment.json"))
	if f.Status != doctor.Fail || !strings.Contains(f.Says, "tenants of "+c.path("deployment.json")) || strings.Contains(printed, "hunter2") {
		t.Errorf("keys: %+v in:\n%s", f, printed)
	}
	if f, printed = c.keysLine("hunter2", "--deployment", c.path("deployment.json"), "--secrets", "-"); f.Status != "" || strings.Contains(printed, "hunter2") {
		t.Errorf("secrets that are none: %+v in:\n%s", f, printed)
	}
}

func TestATenantsKeyIsNotForTheQueuesOfALongerPrefix(t *testing.T) {
	t.Parallel()
	c := newOwnedCluster(t)
	longer := `"tenants":[{"prefix":"rmq_own_x","store":"own-store","metadata":"own-metadata"},`
	c.put("deployment.json", strings.Replace(read(t, c.path("deployment.json")), `"tenants":[`, longer, 1))
	c.uses("rmq_own_x1", "--signing-key", c.path("signing"))
	f, _ := c.keysLine(c.secrets, "--deployment", c.path("deployment.json"), "--secrets", "-")
	if f.Status != doctor.Fail || !strings.Contains(f.Says, "not for rmq_own_x1") {
		t.Errorf("keys: %+v", f)
	}
}
