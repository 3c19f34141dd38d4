package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// lagging is a worker that knows one tenant with one signing key, and what it is sent.
type lagging struct {
	*bundle
	t            *testing.T
	cluster      *envelope.PrivateKey
	known, newer envelope.SigningKey
}

func newLagging(t *testing.T) *lagging {
	t.Helper()
	l := &lagging{bundle: setup(t), t: t}
	var err error
	for _, key := range []*envelope.SigningKey{&l.known, &l.newer} {
		if *key, err = envelope.GenerateSigningKey(); err != nil {
			t.Fatal(err)
		}
	}
	if l.cluster, err = envelope.GeneratePrivateKey(2048); err != nil {
		t.Fatal(err)
	}
	l.worker.Keys = func() []*envelope.PrivateKey { return []*envelope.PrivateKey{l.cluster} }
	l.knows(`{"prefix":"rmq_lab","store":"team-store","metadata":"team-metadata","signing_keys":["` + l.known.Public().AuthorizedLine("x") + `"]}`)
	return l
}

// knows replaces the tenants.
func (l *lagging) knows(entries string) {
	l.t.Helper()
	set, err := tenant.Parse([]byte(`{"tenants":[` + entries + `]}`))
	if set == nil { // an entry at fault is an error beside the others
		l.t.Fatal(err)
	}
	l.worker.Policy.Tenants = func() *tenant.Set { return set }
}

func (l *lagging) sealed(queue string, sign envelope.SigningKey, inner []byte) message.Relayed {
	l.t.Helper()
	body, err := envelope.New(envelope.Header{Status: "waiting"}, inner, l.cluster.Public(), sign)
	if err != nil {
		l.t.Fatal(err)
	}
	return relayed(queue, message.Sealed, body)
}

func relayed(queue, kind string, body []byte) message.Relayed {
	return message.Relayed{Queue: queue, Pool: "cpu", Kind: kind, MessageID: message.ID(body), Data: body, RelayedAt: time.Now()}
}

// refused is a message, why it is refused, and whether that is the policy's decision, rather than one on its bytes.
type refused struct {
	message.Relayed
	reason admission.Reason
	policy bool
}

func (l *lagging) messages() map[string]refused {
	inner := l.submit(submission{key: "k", script: "print('ran')"}).Data
	elsewhere := l.submit(submission{key: "elsewhere", script: "pass", config: map[string]any{"storage": map[string]any{"bucket": "other-store"}}}).Data
	large := l.submit(submission{key: "large", script: "pass", change: map[string]any{"resources_needed": map[string]any{"cpus": 64}}}).Data
	return map[string]refused{
		"of a tenant that is not known":         {l.sealed("rmq_new", l.newer, inner), admission.UnknownTenant, true},
		"in clear, of one that is not known":    {relayed("rmq_new", message.Clear, inner), admission.UnknownTenant, true},
		"signed with a key that is not known":   {l.sealed("rmq_lab", l.newer, inner), admission.WrongKey, true},
		"in clear, where there is a key":        {relayed("rmq_lab", message.Clear, inner), admission.ClearRefused, true},
		"sealed, where no key is known":         {l.sealed("rmq_open", l.newer, inner), admission.NoSigningKey, true},
		"of another store":                      {relayed("rmq_open", message.Clear, elsewhere), admission.BucketRefused, true},
		"for a pool that is not known":          {relayed("rmq_open", message.Clear, large), admission.NoFit, true},
		"that is nothing":                       {relayed("rmq_open", message.Clear, []byte("nothing")), admission.Malformed, false},
		"without a signature":                   {l.sealed("rmq_lab", envelope.SigningKey{}, inner), admission.Unsigned, false},
		"with nonsense inside":                  {l.sealed("rmq_lab", l.known, []byte("nonsense")), admission.Malformed, false},
		"that is sealed for another's store":    {l.sealed("rmq_lab", l.known, elsewhere), admission.BucketRefused, false},
		"that is sealed and asks for too much":  {l.sealed("rmq_lab", l.known, large), admission.NoFit, false},
		"of a tenant whose entry is at fault":   {l.sealed("rmq_bad", l.newer, inner), admission.UnknownTenant, true},
		"in clear, with the entry at fault too": {relayed("rmq_bad", message.Clear, inner), admission.UnknownTenant, true},
	}
}

// The bridge has let them pass: its tenants, keys and pools may be newer than this executor's.
func TestWhatTheBridgeLetPassJustNowIsRefusedForGoodOnlyOnceNewsHadTimeToCome(t *testing.T) {
	t.Parallel()
	l := newLagging(t)
	l.knows(`{"prefix":"rmq_lab","store":"team-store","metadata":"team-metadata","signing_keys":["` + l.known.Public().AuthorizedLine("x") + `"]},
		{"prefix":"rmq_open","store":"team-store","metadata":"team-metadata"}, {"prefix":"rmq_bad","store":"?","metadata":"?"}`)
	for name, tc := range l.messages() {
		for age, news := range map[time.Duration]bool{0: true, policyLag - time.Minute: true, policyLag: false, time.Hour: false, -time.Minute: true, -time.Hour: false} {
			m := tc.Relayed
			m.RelayedAt = time.Now().Add(-age)
			told := len(l.events.types())
			refusal := new(admission.Refusal)
			d, err := l.worker.Handle(t.Context(), m)
			if !errors.As(err, &refusal) || refusal.Reason != tc.reason {
				t.Fatalf("%s: Handle = %s, %v; want %s", name, d, err, tc.reason)
			}
			if waits := tc.policy && news; (d == Return) != waits || (d == DeadLetter) == waits {
				t.Errorf("%s, relayed %s ago: Handle = %s", name, age, d)
			}
			if tells := len(l.events.types()) > told; tells == (d == Return) {
				t.Errorf("%s, relayed %s ago, %s: an event is published: %v", name, age, d, tells)
			}
		}
	}
}

func TestARequestRunsOnceItsTenantIsKnownAndNotBefore(t *testing.T) {
	t.Parallel()
	l := newLagging(t)
	m := l.sealed("rmq_new", l.newer, l.submit(submission{key: "k", script: "print('ran')"}).Data)
	if d, err := l.worker.Handle(t.Context(), m); d != Return || err == nil {
		t.Fatalf("Handle = %s, %v", d, err)
	}
	if r := l.record("k"); r.Status() != "waiting" || len(r.Cloud().Attempts) > 0 {
		t.Errorf("the record is %s with %d attempts", r.Status(), len(r.Cloud().Attempts))
	}
	l.knows(`{"prefix":"rmq_new","store":"team-store","metadata":"team-metadata","signing_keys":["` + l.newer.Public().AuthorizedLine("x") + `"]}`)
	if d, err := l.worker.Handle(t.Context(), m); d != Acknowledge || err != nil {
		t.Fatalf("Handle = %s, %v", d, err)
	}
	if output, _ := l.output("k"); output == "" {
		t.Error("nothing ran")
	}
}
