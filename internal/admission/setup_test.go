package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

const (
	small = `{"cpus":1,"ram":"2gb"}`
	card  = `{"gpus":1,"gpuCount":"1","gpuMem":"4gb"}`
	huge  = `{"gpus":64}`
)

// cluster has the tenants rmq_open (without keys), rmq_lab (one key), and rmq_broken (at fault, keyless if it were not).
type cluster struct {
	Policy
	t       *testing.T
	private *envelope.PrivateKey
	signing envelope.SigningKey
}

// privateKey is shared by the tests: making one takes a while.
var privateKey = sync.OnceValues(func() (*envelope.PrivateKey, error) { return envelope.GeneratePrivateKey(2048) })

func setup(t *testing.T) *cluster {
	t.Helper()
	private, err := privateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, private: private, signing: newSigningKey(t)}
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[
		{"prefix":"rmq_open","store":"open-store","metadata":"open-metadata"},
		{"prefix":"rmq_lab","store":"lab-store","metadata":"lab-metadata","signing_keys":[%q]},
		{"prefix":"rmq_broken","store":"broken-store"},
		{"prefix":"rmq_b","store":"open-store","metadata":"open-metadata"}]}`, c.signing.Public().AuthorizedLine("")))
	if set == nil {
		t.Fatal(err)
	}
	pools, err := pool.Parse(`[{"name":"cpu","kind":"run-job","cpus":4,"ram":"16gb","hdd":"20gb"},
		{"name":"gpu","kind":"gke","gpus":1,"gpu_slots":4,"gpu_mem":"16gb","cpus":3,"ram":"12gb","hdd":"100gb"}]`)
	if err != nil {
		t.Fatal(err)
	}
	c.Policy = Policy{Tenants: func() *tenant.Set { return set }, ClearText: true, Pools: pools}
	return c
}

func newSigningKey(t *testing.T) envelope.SigningKey {
	t.Helper()
	k, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// clearRequest is a request in clear of the tenant whose buckets begin with owner.
func clearRequest(owner, resources string) []byte {
	return clearRequestIn(resources, fmt.Sprintf(`{"storage":{"bucket":"%s-store"},"database":{"bucket":"%s-metadata"}}`, owner, owner))
}

func clearRequestIn(resources, config string) []byte {
	return fmt.Appendf(nil, `{"experiment":{"key":"exp-1","filename":"train.py","args":["--token=hunter2"],"resources_needed":%s},"config":%s}`, resources, config)
}

// seal makes an envelope as clients do: the header asks for resources, whatever is inside.
func (c *cluster) seal(resources string, inner []byte, sign envelope.SigningKey) []byte {
	c.t.Helper()
	h := envelope.Header{Status: "waiting", TimeAdded: 1530054413.13, Lifetime: "30m", Resources: json.RawMessage(resources)}
	body, err := envelope.New(h, inner, c.private.Public(), sign)
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}

// lab is a sound sealed message.
func (c *cluster) lab(resources string) []byte {
	c.t.Helper()
	return c.seal(resources, clearRequest("lab", resources), c.signing)
}

// edit changes one member of an envelope.
func (c *cluster) edit(body []byte, member string, value any) []byte {
	c.t.Helper()
	var m map[string]map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		c.t.Fatal(err)
	}
	m["message"][member] = value
	edited, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	return edited
}

// wantRefusal checks an error's reason, its report and that its sentence is one, without what must not be told.
func wantRefusal(t *testing.T, err error, reason Reason, report bool, part string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("error = %v, want a Refusal", err)
	}
	if r.Reason != reason || r.Report != report {
		t.Errorf("refused as %s, report %t; want %s, %t", r.Reason, r.Report, reason, report)
	}
	if !strings.Contains(r.Detail, part) {
		t.Errorf("detail %q lacks %q", r.Detail, part)
	}
	if text := r.Detail + err.Error() + fmt.Sprintf("%+v", *r); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is told: %s", text)
	}
}
func decode(t *testing.T, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatal(err)
	}
}

func text(body string) func(*cluster) []byte {
	return func(*cluster) []byte { return []byte(body) }
}

func clearOf(owner, resources string) func(*cluster) []byte {
	return func(*cluster) []byte { return clearRequest(owner, resources) }
}
