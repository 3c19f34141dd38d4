//go:build integration

package path_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/explain"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	names "github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// testForetold asks what would become of messages, sends them, and compares: the same words, from the same hop.
func testForetold(t *testing.T, s *studio) {
	t.Helper()
	letters := s.deadLetters(t)
	cluster := s.cluster(t)
	sealed := s.cloud.SealedQueue
	want := map[string]explain.Refusal{}
	send := func(name, queue string, body []byte) explain.Refusal {
		t.Helper()
		r := cluster.Explain(t.Context(), explain.Message{Queue: queue, Body: body})
		if r.Refusal == nil {
			t.Fatalf("%s is foretold to run in %s", name, r.Pool)
		}
		s.publish(t, queue, body)
		return *r.Refusal
	}
	for name, m := range s.refused(t) {
		want[string(m.Body)] = send(name, m.Queue, m.Body)
	}

	ends := map[string]explain.Refusal{}
	for name, change := range map[string]func(*client.Submission){
		"a requirement that is none": func(sub *client.Submission) { sub.Requirements = []string{"../local"} },
		"a Python that is none":      func(sub *client.Submission) { sub.PythonVersion = "three" },
		"expired":                    func(sub *client.Submission) { sub.Lifetime = time.Millisecond },
	} {
		sub := submission(t, name, `print("hello")`)
		change(&sub)
		submitted, body := s.hold(t, sub)
		ends[submitted.Key] = send(name, queue, body)
	}
	for timeout := time.After(patience); len(want) > 0; {
		select {
		case l := <-letters:
			r, ours := want[string(l.Data)]
			if ours && (l.Detail != r.Detail || l.Reason != r.Reason || l.Stage != r.Stage) {
				t.Errorf("foretold %+v; it came from the %s as %s: %s", r, l.Stage, l.Reason, l.Detail)
			}
			delete(want, string(l.Data))
		case <-timeout:
			t.Fatalf("no dead letters within %s for %v", patience, want)
		}
	}
	for key, r := range ends {
		if e := s.ended(t, key); e.Outcome != r.Outcome || !strings.Contains(e.Reason, r.Detail) {
			t.Errorf("foretold %+v; it came as %s: %s", r, e.Outcome, e.Reason)
		}
	}
	if t.Failed() {
		return
	}
	good := submission(t, "sound", `print("hello")`)
	submitted, body := s.hold(t, s.seal(t, good))
	if r := cluster.Explain(t.Context(), explain.Message{Queue: sealed, Body: body}); !r.Runs || r.Pool != "local-cpu" || r.Experiment == nil {
		t.Errorf("a sound request is foretold %+v", r)
	}
	s.publish(t, sealed, body)
	if e := s.ended(t, submitted.Key); e.Outcome != "completed" || e.Pool != "local-cpu" {
		t.Errorf("what was foretold to run ended %s in %s: %s", e.Outcome, e.Pool, e.Reason)
	}
}

// refused are messages that become dead letters: the bridge's, and those that only the executor can see through.
func (s *studio) refused(t *testing.T) map[string]explain.Message {
	t.Helper()
	sealed := s.cloud.SealedQueue
	big := submission(t, "big", "pass")
	big.Resources = map[string]any{"gpus": 64}
	_, huge := s.hold(t, big)
	_, clear := s.hold(t, submission(t, "clear", "pass"))
	other, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	seal := s.seal(t, client.Submission{}).Seal
	envelopeOf := func(header string, inner []byte, to *envelope.PublicKey, sign envelope.SigningKey) []byte {
		body, err := envelope.New(envelope.Header{Status: "waiting", Resources: json.RawMessage(header)}, inner, to, sign)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	return map[string]explain.Message{
		"no JSON":                       {Queue: queue, Body: []byte("foretold, and no JSON")},
		"no pool holds it":              {Queue: queue, Body: huge},
		"storage of others":             {Queue: queue, Body: []byte(strings.ReplaceAll(string(clear), s.cloud.Store, "somebody-elses"))},
		"clear into a sealed queue":     {Queue: sealed, Body: clear},
		"enveloped, unsigned":           {Queue: sealed, Body: envelopeOf(`{}`, clear, seal.To, envelope.SigningKey{})},
		"enveloped, by somebody else":   {Queue: sealed, Body: envelopeOf(`{}`, clear, seal.To, other)},
		"enveloped, no key for it":      {Queue: queue, Body: envelopeOf(`{}`, clear, seal.To, other)},
		"enveloped, does not decrypt":   {Queue: sealed, Body: envelopeOf(`{}`, clear, private.Public(), seal.Sign)},
		"enveloped, holds nonsense":     {Queue: sealed, Body: envelopeOf(`{}`, []byte("nonsense"), seal.To, seal.Sign)},
		"header and inside are at odds": {Queue: sealed, Body: envelopeOf(`{"gpus":1}`, clear, seal.To, seal.Sign)},
	}
}

// cluster is what studioctl explain knows of the cloud.
func (s *studio) cluster(t *testing.T) explain.Cluster {
	t.Helper()
	pools, err := pool.Load(s.cloud.Pools)
	if err != nil {
		t.Fatal(err)
	}
	tenants, err := tenant.Open(s.cloud.Tenants)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.cloud.RequestPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	passphrase, err := os.ReadFile(s.cloud.PassphraseFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := envelope.ParsePrivateKey(text, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	stores := artifact.NewStores(nil, s.cloud.S3Hosts, artifact.URLs{})
	t.Cleanup(stores.Close)
	return explain.Cluster{
		Policy: admission.Policy{Tenants: tenants.Tenants, ClearText: true, Pools: pools}, Queues: names.Default(),
		Stores: stores, Keys: []*envelope.PrivateKey{key}, Records: s.Records(), Now: time.Now,
	}
}
