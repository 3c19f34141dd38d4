//go:build integration

package path_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// refusal is a message that may not run, and what is to become of it.
type refusal struct {
	queue  string // that it is published to
	make   func(*testing.T, *teams) []byte
	reason string
	stage  string
	report bool // the experimenter hears that it failed
	direct bool // published to the pool's topic, past the bridge
}

// The rows of the wire format's table "What to do with a message" that refuse, in its order, and those who try to get round it. One
// cloud in which requests in clear are not taken has them all; TestEveryKindOfInputReachesADefiniteEnd has the row in which they are.
var refusals = map[string]refusal{
	"sealed, no key for the prefix": {
		queue: "rmq_open_nokey", reason: "no_signing_key", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.sealed(t, s.lab) },
	},
	"sealed and unsigned": {
		queue: "rmq_lab_unsigned", reason: "unsigned", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.sealed(t, envelope.SigningKey{}) },
	},
	"a payload under the signature of another": {
		queue: "rmq_lab_forged", reason: "bad_signature", stage: message.Bridge, make: forged,
	},
	"a stranger's key under its own fingerprint": {
		queue: "rmq_lab_stranger", reason: "wrong_key", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.sealed(t, newSigningKey(t)) },
	},
	"a stranger's key under the fingerprint of the registered one": {
		queue: "rmq_lab_disguised", reason: "bad_signature", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte {
			t.Helper()
			return edited(t, s.sealed(t, newSigningKey(t)), "fingerprint", s.lab.Public().Fingerprint())
		},
	},
	"another team's request": { // taken from its queue as it was
		queue: "rmq_team_moved", reason: "wrong_key", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.sealed(t, s.lab) },
	},
	"sealed for another cluster": {
		queue: "rmq_lab_elsewhere", reason: "undecryptable", stage: message.Executor, report: true,
		make: func(t *testing.T, s *teams) []byte {
			t.Helper()
			return s.sealFor(t, newKey(t).Public(), s.lab, "null", s.inner(t))
		},
	},
	"nonsense inside": {
		queue: "rmq_lab_nonsense", reason: "malformed", stage: message.Executor, report: true,
		make: func(t *testing.T, s *teams) []byte {
			t.Helper()
			return s.sealFor(t, s.request, s.lab, "null", []byte("nonsense"))
		},
	},
	"clear, and a signing key exists": {
		queue: "rmq_lab_clear", reason: "clear_refused", stage: message.Bridge,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.inner(t) },
	},
	"clear, and not allowed": {
		queue: "rmq_open_clear", reason: "clear_refused", stage: message.Bridge, report: true,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.inner(t) },
	},
	"a header that lies about resources": {
		queue: "rmq_lab_liar", reason: "header_mismatch", stage: message.Executor, report: true,
		make: func(t *testing.T, s *teams) []byte {
			t.Helper()
			return s.sealFor(t, s.request, s.lab, `{"cpus":1,"gpus":1}`, s.inner(t))
		},
	},
	"a forged one, past the bridge": {
		queue: "rmq_lab_direct", reason: "bad_signature", stage: message.Executor, direct: true, make: forged,
	},
	"another team's request, past the bridge": {
		queue: "rmq_team_direct", reason: "wrong_key", stage: message.Executor, direct: true,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.sealed(t, s.lab) },
	},
	"clear, past the bridge": {
		queue: "rmq_lab_directclear", reason: "clear_refused", stage: message.Executor, direct: true,
		make: func(t *testing.T, s *teams) []byte { t.Helper(); return s.inner(t) },
	},
}

// forged is a payload that somebody sealed with the public key, under the signature of another message.
func forged(t *testing.T, s *teams) []byte {
	t.Helper()
	var stranger struct{ Message struct{ Payload string } }
	if err := json.Unmarshal(s.sealed(t, envelope.SigningKey{}), &stranger); err != nil {
		t.Fatal(err)
	}
	return edited(t, s.sealed(t, s.lab), "payload", stranger.Message.Payload)
}

// edited changes a member of an envelope.
func edited(t *testing.T, body []byte, member, value string) []byte {
	t.Helper()
	var envelope map[string]map[string]any
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	envelope["message"][member] = value
	body, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestWhoMayNotRunWorkIsRefusedAndOnlyThoseWhoProvedAKeyHearOfIt(t *testing.T) {
	t.Parallel()
	s := newTeams(t)
	letters, pools := s.deadLetters(t), s.poolTopics(t)
	sent := map[string]string{} // what was published, by its identity
	for name, r := range refusals {
		s.wantReports(t, r.queue)
		body := r.make(t, s)
		sent[message.ID(body)] = name
		if r.direct {
			s.publishToPool(t, r.queue, body)
		} else {
			s.publish(t, r.queue, body)
		}
	}
	came := map[string]message.DeadLetter{}
	for timeout := time.After(patience); len(came) < len(sent); {
		select {
		case l := <-letters:
			name, ours := sent[l.MessageID]
			if before, again := came[name]; !ours || again && before.Reason != l.Reason {
				t.Errorf("a dead letter of %q: %s, %s", name, l.Reason, l.Detail)
			}
			came[name] = l
		case <-timeout:
			t.Fatalf("%d dead letters of %d within %s: %v", len(came), len(sent), patience, came)
		}
	}
	s.completed(t, s.good(t, "rmq_lab_after").Key) // whatever else was on its way to a pool has come by then
	atPool := pools()
	for name, r := range refusals {
		l := came[name]
		if l.Reason != r.reason || l.Stage != r.stage || l.Queue != r.queue || l.Detail == "" {
			t.Errorf("%s: a dead letter of the %s, %s: %s; want %s of the %s", name, l.Stage, l.Reason, l.Detail, r.reason, r.stage)
		}
		if woke := atPool[message.ID(l.Data)]; woke != (r.stage == message.Executor) {
			t.Errorf("%s: it has woken a pool: %v", name, woke)
		}
	}
	for _, wanted := range []bool{true, false} { // what must not come has had its time once the others have come
		for name, r := range refusals {
			if r.report == wanted {
				s.expectReports(t, name, r, came[name])
			}
		}
	}
	for _, key := range s.inners {
		if e, err := s.Experiment(t.Context(), key); err != nil || e.Status != "waiting" || e.Attempts != 0 {
			t.Errorf("the record of a refused request, %s, is %+v, %v; want it untouched", key, e, err)
		}
	}
}

// expectReports waits for the report of a refusal, or looks that there is none; all were sent before a good one's, which came.
func (s *teams) expectReports(t *testing.T, name string, r refusal, l message.DeadLetter) {
	t.Helper()
	if !r.report {
		if got := s.reports(t.Context(), t, r.queue); len(got) > 0 {
			t.Errorf("%s: somebody who proved no key is told %v", name, got)
		}
		return
	}
	var got []*report.Report
	eventually(t, func(ctx context.Context) (bool, string) {
		got = append(got, s.reports(ctx, t, r.queue)...)
		return len(got) > 0, "no report in " + report.ResponseQueue(r.queue)
	})
	failed := got[0].GetProgress()
	if len(got) != 1 || failed.GetState() != report.TaskState_Failed || failed.GetError().GetMsg().GetValue() != l.Detail || got[0].GetUniqueId().GetValue() != l.MessageID {
		t.Errorf("%s: reported is %v; want that %s failed: %s", name, got, l.MessageID, l.Detail)
	}
}

func TestAGoodRequestRunsAndIsReportedInOrderAndItsReplayChangesNothing(t *testing.T) {
	t.Parallel()
	s := newTeams(t)
	const queue = "rmq_lab_good"
	s.wantReports(t, queue)
	body := s.sealed(t, s.lab)
	key := s.inners[len(s.inners)-1]
	s.publish(t, queue, body)
	s.completed(t, key)

	var got []*report.Report
	eventually(t, func(ctx context.Context) (bool, string) {
		got = append(got, s.reports(ctx, t, queue)...)
		return slices.Contains(told(got), "Success"), fmt.Sprint("reported is ", told(got))
	})
	want := []string{"Prestart", "Started", "hello", `{"experiment": {"loss": 1}}`, "Success"}
	at := 0
	for _, line := range told(got) {
		if at < len(want) && line == want[at] {
			at++
		}
	}
	if at < len(want) {
		t.Errorf("reported is %q; want %q in this order", told(got), want)
	}
	for _, r := range got {
		if r.GetExperimentId().GetValue() != key || r.GetUniqueId().GetValue() != s.attempts(t, key)[0].ID || r.GetExecutorId().GetValue() == "" {
			t.Errorf("a report is not of this attempt: %v", r)
		}
	}

	object := s.objects.Bucket(s.cloud.Metadata).Object("experiments/" + key)
	before, err := object.Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	letters := s.deadLetters(t)
	s.publish(t, queue, body)
	eventually(t, func(context.Context) (bool, string) {
		return s.logged(t, "executor-local-cpu", "has ended already", key), "the executor has not acknowledged the replay"
	})
	after, err := object.Attrs(t.Context())
	if err != nil || after.Generation != before.Generation || len(s.attempts(t, key)) != 1 {
		t.Errorf("the replay changed the record: %v, %v; attempts %v", after, err, s.attempts(t, key))
	}
	s.completed(t, s.good(t, "rmq_lab_after").Key)
	if again := told(s.reports(t.Context(), t, queue)); slices.Contains(again, "Started") || slices.Contains(again, "Prestart") {
		t.Errorf("the replay is reported as %q", again)
	}
	select {
	case l := <-letters:
		t.Errorf("the replay is a dead letter: %s", l.Reason)
	default:
	}
}

func TestARequestThatIsOlderThanItsLifetimeIsMarkedAndNotRun(t *testing.T) {
	t.Parallel()
	s := newTeams(t)
	const queue = "rmq_lab_old"
	s.wantReports(t, queue)
	letters := s.deadLetters(t)
	submitted, inner := s.hold(t, s.submission(t, func(sub *client.Submission) { sub.Lifetime = time.Millisecond }))
	s.publish(t, queue, s.sealFor(t, s.request, s.lab, "null", inner))
	e := s.ended(t, submitted.Key)
	if output, _ := s.output(t.Context(), t, submitted.Key); e.Outcome != "expired" || strings.Contains(output, "hello") {
		t.Errorf("it ended %s, %s: %q", e.Outcome, e.Reason, output)
	}
	var got []*report.Report
	eventually(t, func(ctx context.Context) (bool, string) {
		got = append(got, s.reports(ctx, t, queue)...)
		return slices.Contains(told(got), "Failed"), fmt.Sprint("reported is ", told(got))
	})
	if slices.Contains(told(got), "Started") {
		t.Errorf("reported is %q", told(got))
	}
	select {
	case l := <-letters:
		t.Errorf("it is a dead letter: %s", l.Reason)
	default:
	}
}

// poolTopics listens to the pools' topics. What it returns ends that, and tells whose identities came by.
func (s *teams) poolTopics(t *testing.T) func() map[string]bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	found := make(chan string, 1000)
	subscriptions := s.poolSubscriptions(t)
	done := make(chan error, len(subscriptions))
	for _, sub := range subscriptions {
		go func() {
			done <- sub.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
				m.Ack()
				found <- message.ID(m.Data)
			})
		}()
	}
	return func() map[string]bool {
		cancel()
		for range subscriptions {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		close(found)
		ids := map[string]bool{}
		for id := range found {
			ids[id] = true
		}
		return ids
	}
}
