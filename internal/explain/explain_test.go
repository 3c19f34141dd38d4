package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

const (
	small = `{"cpus":1,"ram":"2gb"}`
	card  = `{"gpus":2,"gpuMem":"4gb"}`
	huge  = `{"gpus":64}`
)

// lab has the tenants rmq_open, without keys, and rmq_lab, with one.
type lab struct {
	Cluster
	t       *testing.T
	private *envelope.PrivateKey
	signing envelope.SigningKey
}

var privateKey = sync.OnceValues(func() (*envelope.PrivateKey, error) { return envelope.GeneratePrivateKey(2048) })

func setup(t *testing.T) *lab {
	t.Helper()
	private, keyErr := privateKey()
	signing, signErr := envelope.GenerateSigningKey()
	set, setErr := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_open","store":"open-store","metadata":"open-metadata","buckets":["open-shared"]},
		{"prefix":"rmq_lab","store":"lab-store","metadata":"lab-metadata","signing_keys":[%q]}]}`, signing.Public().AuthorizedLine("")))
	pools, poolErr := pool.Parse(`[{"name":"cpu","kind":"run-job","cpus":4,"ram":"16gb","hdd":"20gb"},
		{"name":"gpu","kind":"gke","gpus":1,"gpu_slots":4,"gpu_mem":"16gb","cpus":3,"ram":"12gb","hdd":"100gb"}]`)
	if err := errors.Join(keyErr, signErr, setErr, poolErr); err != nil {
		t.Fatal(err)
	}
	stores := artifact.NewStores(nil, []string{"storage.googleapis.com"}, artifact.URLs{})
	t.Cleanup(stores.Close)
	return &lab{t: t, private: private, signing: signing, Cluster: Cluster{
		Policy: admission.Policy{Tenants: func() *tenant.Set { return set }, ClearText: true, Pools: pools},
		Queues: queue.Default(), Stores: stores, Keys: []*envelope.PrivateKey{private}, Now: time.Now,
	}}
}

// inClear is a request of the tenant whose buckets begin with owner; experiment and config are further members.
func inClear(owner, resources, experiment, config string) []byte {
	return fmt.Appendf(nil, `{"experiment":{"key":"k1","filename":"train.py","args":["--token=hunter2"],"resources_needed":%s,
		"artifacts":{"workspace":{"bucket":"%s-store","key":"blobstore/w.tar","mutable":false},"output":{"mutable":true}}%s},
		"config":{"storage":{"type":"gs","bucket":"%s-store"},"database":{"bucket":"%s-metadata"}%s}}`, resources, owner, experiment, owner, owner, config)
}

func (l *lab) seal(header string, inner []byte, to *envelope.PrivateKey, sign envelope.SigningKey) []byte {
	l.t.Helper()
	body, err := envelope.New(envelope.Header{Status: "waiting", Resources: json.RawMessage(header)}, inner, to.Public(), sign)
	if err != nil {
		l.t.Fatal(err)
	}
	return body
}

func otherKey(t *testing.T) *envelope.PrivateKey {
	t.Helper()
	k, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The rows of the wire format's table "What to do with a message", in its order, and below them what is refused besides.
func TestWhatWouldBecomeOfAMessage(t *testing.T) {
	t.Parallel()
	good := inClear("open", small, "", "")
	sealed := func(inner []byte) func(*lab) []byte {
		return func(l *lab) []byte { return l.seal(small, inner, l.private, l.signing) }
	}
	clear := func(body []byte) func(*lab) []byte { return func(*lab) []byte { return body } }
	open := func(experiment, config string) func(*lab) []byte {
		return clear(inClear("open", small, experiment, config))
	}
	artifacts := func(text string) func(*lab) []byte {
		return open(`,"artifacts":{"workspace":{"bucket":"open-store","key":"w.tar"},`+text+`}`, "")
	}
	for name, tc := range map[string]struct {
		queue   string
		body    func(*lab) []byte
		change  func(*lab)
		runs    string // the pool
		stage   string
		reason  string
		outcome string
		detail  string
	}{
		"enveloped, good": {queue: "rmq_lab_1", body: sealed(inClear("lab", small, "", "")), runs: "cpu"},
		"enveloped, no key for the prefix": {
			queue: "rmq_open_1", body: sealed(inClear("open", small, "", "")), stage: "bridge", reason: "no_signing_key", detail: "no signing key is registered",
		},
		"enveloped, unsigned": {queue: "rmq_lab_1", body: func(l *lab) []byte {
			return l.seal(small, good, l.private, envelope.SigningKey{})
		}, stage: "bridge", reason: "unsigned", detail: "is not signed"},
		"enveloped, key of others": {queue: "rmq_lab_1", body: func(l *lab) []byte {
			other, err := envelope.GenerateSigningKey()
			if err != nil {
				l.t.Fatal(err)
			}
			return l.seal(small, good, l.private, other)
		}, stage: "bridge", reason: "wrong_key", detail: "not registered for the prefix"},
		"enveloped, bad signature": {queue: "rmq_lab_1", body: func(l *lab) []byte {
			one, two := l.seal(small, good, l.private, l.signing), map[string]map[string]any{}
			if err := json.Unmarshal(l.seal(small, good, l.private, l.signing), &two); err != nil {
				l.t.Fatal(err)
			}
			m := map[string]map[string]any{}
			if err := json.Unmarshal(one, &m); err != nil {
				l.t.Fatal(err)
			}
			m["message"]["payload"] = two["message"]["payload"]
			body, err := json.Marshal(m)
			if err != nil {
				l.t.Fatal(err)
			}
			return body
		}, stage: "bridge", reason: "bad_signature", detail: "not made over this payload"},
		"enveloped, does not decrypt": {queue: "rmq_lab_1", body: func(l *lab) []byte {
			return l.seal(small, good, otherKey(l.t), l.signing)
		}, stage: "executor", reason: "undecryptable", detail: "the cluster's current public key"},
		"enveloped, decrypts to nonsense": {
			queue: "rmq_lab_1", body: sealed([]byte("hunter2")), stage: "executor", reason: "malformed", detail: "the sealed request: malformed request: not JSON",
		},
		"clear, and a signing key exists": {
			queue: "rmq_lab_1", body: clear(inClear("lab", small, "", "")), stage: "bridge", reason: "clear_refused", detail: "take sealed and signed requests only",
		},
		"clear, and none is taken": {
			queue: "rmq_open_1", body: clear(good), change: func(l *lab) { l.Policy.ClearText = false }, stage: "bridge", reason: "clear_refused", detail: "CLEAR_TEXT_MESSAGES",
		},
		"clear, allowed": {queue: "rmq_open_1", body: clear(good), runs: "cpu"},
		"header and inner route differently": {
			queue: "rmq_lab_1", body: sealed(inClear("lab", card, "", "")), stage: "executor", reason: "header_mismatch", detail: "asks for pool cpu and the sealed request for pool gpu",
		},
		"the record is finished": {
			queue: "rmq_open_1", body: clear(good), change: records(`{"status":"finished"}`), stage: "executor", outcome: "completed", detail: "has ended already",
		},
		"older than its lifetime": {
			queue: "rmq_open_1", body: open(`,"time_added":1000`, `,"experimentLifetime":"30m"`), stage: "executor", outcome: "expired", detail: "longer than its lifetime of 30m0s",
		},

		"a card":                          {queue: "rmq_open_1", body: clear(inClear("open", card, "", "")), runs: "gpu"},
		"a record that waits":             {queue: "rmq_open_1", body: clear(good), change: records(`{"status":"waiting"}`), runs: "cpu"},
		"a record that is read by others": {queue: "rmq_open_1", body: clear(good), change: func(l *lab) { l.Records = unreadable{} }, runs: "cpu"},
		"stopped before":                  {queue: "rmq_open_1", body: clear(good), change: records(`{"status":"stopped"}`), stage: "executor", outcome: "stopped", detail: "stopped before it started"},
		"a queue of no work":              {queue: "sqs_open", body: clear(good), stage: "queue", detail: "would never be read"},
		"a queue of reports":              {queue: "rmq_open_response", body: clear(good), stage: "queue", detail: "carry reports"},
		"a queue of no tenant":            {queue: "rmq_x", body: clear(good), stage: "bridge", reason: "unknown_tenant", detail: `queue "rmq_x"`},
		"larger than can be":              {queue: "rmq_open_1", body: clear(append(inClear("open", small, "", ""), bytes.Repeat([]byte(" "), message.MaxData)...)), stage: "bridge", reason: "too_large", detail: "send data as an artifact"},
		"no JSON":                         {queue: "rmq_open_1", body: clear([]byte("hunter2")), stage: "bridge", reason: "malformed", detail: "not JSON"},
		"no pool holds it":                {queue: "rmq_open_1", body: clear(inClear("open", huge, "", "")), stage: "bridge", reason: "no_fit", detail: "resources_needed.gpus asks for 64 and the largest pool for it, gpu, has 4"},
		"storage of others":               {queue: "rmq_open_1", body: clear(inClear("lab", small, "", "")), stage: "bridge", reason: "bucket_refused", detail: "config.storage.bucket"},
		"an artifact of others":           {queue: "rmq_open_1", body: artifacts(`"data":{"bucket":"lab-store","key":"d.tar"}`), stage: "executor", outcome: "refused", detail: "The artifact data is refused"},
		"written to others":               {queue: "rmq_open_1", body: artifacts(`"data":{"bucket":"lab-store","key":"d.tar","mutable":true}`), stage: "executor", outcome: "refused", detail: "write only into the bucket open-store"},
		"output elsewhere":                {queue: "rmq_open_1", body: artifacts(`"output":{"bucket":"open-store","key":"o.tar","mutable":true}`), stage: "executor", outcome: "refused", detail: "always experiments/k1/output.tar"},
		"no workspace":                    {queue: "rmq_open_1", body: open(`,"artifacts":{}`, ""), stage: "executor", outcome: "failed", detail: "no workspace artifact"},
		"a local requirement":             {queue: "rmq_open_1", body: open(`,"pythonenv":["../x"]`, ""), stage: "executor", outcome: "failed", detail: `the requirement "../x" is not a package name`},
		"an option":                       {queue: "rmq_open_1", body: open("", `,"pip":["--index-url=https://me:hunter2@h"]`), stage: "executor", outcome: "failed", detail: "holds an option"},
		"a Python that is none":           {queue: "rmq_open_1", body: open(`,"pythonver":"three"`, ""), stage: "executor", outcome: "failed", detail: `the Python version "three" is not a version`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := setup(t)
			if tc.change != nil {
				tc.change(l)
			}
			r := l.Explain(t.Context(), Message{Queue: tc.queue, Body: tc.body(l)})
			if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), "hunter2") {
				t.Errorf("a secret is told, or %v: %s", err, text)
			}
			if tc.runs != "" {
				if !r.Runs || r.Refusal != nil || r.Pool != tc.runs || r.Experiment == nil {
					t.Errorf("would run: %t in %q, refusal %+v; want it to run in %s", r.Runs, r.Pool, r.Refusal, tc.runs)
				}
				return
			}
			if r.Runs || r.Refusal == nil {
				t.Fatalf("would run in %q; want it refused", r.Pool)
			}
			if f := r.Refusal; f.Stage != tc.stage || f.Reason != tc.reason || f.Outcome != tc.outcome || !strings.Contains(f.Detail, tc.detail) || f.Becomes == "" {
				t.Errorf("refusal = %+v; want %s, %q, %q with %q", f, tc.stage, tc.reason, tc.outcome, tc.detail)
			}
		})
	}
}

// unreadable is a deployment whose records others may read.
type unreadable struct{}

func (unreadable) Read(context.Context, record.Ref) (*record.Record, error) {
	return nil, errors.New("forbidden")
}

// unnoticed takes notifications for nobody.
type unnoticed struct{}

func (unnoticed) Notify(context.Context, fakegcs.Notification) error { return nil }

// records makes a deployment in which the experiment has a record.
func records(text string) func(*lab) {
	return func(l *lab) {
		l.t.Helper()
		fake, err := fakegcs.Start(l.t.Context(), []string{"open-metadata"}, unnoticed{}, slog.New(slog.DiscardHandler))
		if err != nil {
			l.t.Fatal(err)
		}
		objects, err := storage.NewClient(l.t.Context(), option.WithEndpoint(fake.URL+"/storage/v1/"), option.WithoutAuthentication())
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() {
			if err := errors.Join(objects.Close(), fake.Close()); err != nil {
				l.t.Error(err)
			}
		})
		w := objects.Bucket("open-metadata").Object("experiments/k1").NewWriter(l.t.Context())
		_, err = io.WriteString(w, text)
		if err = errors.Join(err, w.Close()); err != nil {
			l.t.Fatal(err)
		}
		l.Records = record.New(objects, time.Now)
	}
}

func TestAnArtifactIsJudgedByWhatItsLabelIsFor(t *testing.T) {
	t.Parallel()
	l := setup(t)
	explained := func(artifacts string) Report {
		body := inClear("open", small, `,"artifacts":{"workspace":{"bucket":"open-store","key":"w.tar"},`+artifacts+`}`, "")
		return l.Explain(t.Context(), Message{Queue: "rmq_open_1", Body: body})
	}
	for _, a := range explained(`"_status":{"bucket":"open-shared","key":"s.tar","mutable":true},"output":{"bucket":"lab-store","key":"o.tar"}`).Experiment.Artifacts {
		if a.Fault != "" || a.Label == "output" && a.Object != "gs://open-store/experiments/k1/output.tar" {
			t.Errorf("%s, which the executor would take: %+v", a.Label, a)
		}
	}
	r := explained(`"_results":{"bucket":"open-shared","key":"r.tar"}`)
	if a := r.Experiment.Artifacts[0]; r.Runs || a.Label != "_results" || a.Fault == "" {
		t.Errorf("_results where nobody may write: %+v, runs %t", a, r.Runs)
	}
}

// What the bridge and the executor would say is asked of them, and not repeated here.
func TestTheWordsAreThoseOfTheDecision(t *testing.T) {
	t.Parallel()
	l := setup(t)
	for queue, body := range map[string][]byte{
		"rmq_open_1": inClear("open", huge, "", ""), "rmq_lab_1": inClear("lab", small, "", ""), "rmq_x": inClear("open", small, "", ""), "rmq_open_2": []byte("?"),
	} {
		_, err := l.Policy.Decide(queue, body)
		var want *admission.Refusal
		got := l.Explain(t.Context(), Message{Queue: queue, Body: body}).Refusal
		if !errors.As(err, &want) || got == nil || got.Detail != want.Detail || got.Reason != string(want.Reason) {
			t.Errorf("%s: foretold %+v; decided %v", queue, got, err)
		}
	}
}

func TestWhoeverSealsLearnsWhatIsInsideAndOthersThatTheyCannot(t *testing.T) {
	t.Parallel()
	l := setup(t)
	inner := inClear("lab", card, "", "")
	m := Message{Queue: "rmq_lab_1", Body: l.seal(small, inner, l.private, l.signing)}
	l.Keys = nil
	if r := l.Explain(t.Context(), m); !r.Runs || r.Experiment != nil || len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], "private key") {
		t.Errorf("without a key: %+v", r)
	}
	m.Inner = inner
	if r := l.Explain(t.Context(), m); r.Runs || r.Refusal.Reason != "header_mismatch" || r.Refusal.Stage != "executor" {
		t.Errorf("by its sender: %+v", r.Refusal)
	}
}

func TestThePoolIsToldWithWhatTheSmallerOnesLack(t *testing.T) {
	t.Parallel()
	l := setup(t)
	r := l.Explain(t.Context(), Message{Queue: "rmq_open_1", Body: inClear("open", card, `,"max_duration":"20m"`, `,"env":{"B":"hunter2","A":"1"},"saveWorkspaceFrequency":"3m"`)})
	want := []Pool{{Name: "cpu", Field: "gpus", Asked: "2", Has: "0"}, {Name: "gpu", Holds: true, Slots: 2, Cards: 1}}
	if len(r.Pools) != 2 || r.Pools[0] != want[0] || r.Pools[1] != want[1] {
		t.Errorf("pools = %+v; want %+v", r.Pools, want)
	}
	x := r.Experiment
	if x == nil || x.MaxDuration != "20m0s" || x.SaveEvery != "3m0s" || strings.Join(x.Env, ",") != "A,B" || x.MostUnpacked != 100_000_000_000 || x.Asks != "gpus 2, gpuMem 4.0 GB" {
		t.Errorf("experiment = %+v", x)
	}
}
