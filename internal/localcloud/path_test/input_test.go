//go:build integration

package path_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/storage"
	"github.com/google/uuid"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

func TestEveryKindOfInputReachesADefiniteEnd(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	// The cloud ends after all of these.
	t.Run("a clear experiment completes", func(t *testing.T) {
		t.Parallel()
		key := s.submit(t, submission(t, "", `print("hello"); print('{"experiment": {"loss": 1}}')`)).Key
		if output := s.completed(t, key); strings.Count(output, "hello") != 1 {
			t.Errorf("output = %q; want one hello", output)
		}
	})
	t.Run("a sealed experiment completes", func(t *testing.T) {
		t.Parallel()
		key := s.submit(t, s.seal(t, submission(t, "", `print("hello")`))).Key
		if output := s.completed(t, key); strings.Count(output, "hello") != 1 {
			t.Errorf("output = %q; want one hello", output)
		}
	})
	t.Run("bad experiments are told why", func(t *testing.T) {
		t.Parallel()
		testBadExperiments(t, s)
	})
	t.Run("a finished record stays as it is", func(t *testing.T) {
		t.Parallel()
		testFinishedRecord(t, s)
	})
	t.Run("what is no experiment becomes a dead letter", func(t *testing.T) {
		t.Parallel()
		testDeadLetters(t, s)
	})
	t.Run("what explain foretells comes true, word for word", func(t *testing.T) {
		t.Parallel()
		testForetold(t, s)
	})
}

// testBadExperiments expects a sentence in the output and the same one in the record.
func testBadExperiments(t *testing.T, s *studio) {
	t.Helper()
	const hello = `print("hello")`
	tests := map[string]struct {
		program  string // hello if empty
		change   func(*client.Submission)
		spoil    func(*testing.T, *storage.ObjectHandle) // the workspace
		outcome  string
		exitCode int // -1 where the program did not run, or was ended
		sentence string
	}{
		"workspace is gone": {spoil: remove, outcome: "failed", exitCode: -1, sentence: "The artifact workspace is not there"},
		"workspace is no tar": {
			spoil:   func(t *testing.T, o *storage.ObjectHandle) { t.Helper(); overwrite(t, o, []byte("this is no tar")) },
			outcome: "failed", exitCode: -1, sentence: "cannot be unpacked",
		},
		"script is not in the workspace": {
			change:  func(sub *client.Submission) { sub.Script = "elsewhere.py" },
			outcome: "failed", exitCode: -1, sentence: `The script "elsewhere.py" is not in the workspace`,
		},
		"program exits with 3": {program: "raise SystemExit(3)", outcome: "failed", exitCode: 3, sentence: "The program ended with exit code 3."},
		"requirement does not exist": {
			change:  func(sub *client.Submission) { sub.Requirements = []string{"studio-no-such-package-xyz"} },
			outcome: "failed", exitCode: -1, sentence: "The Python environment cannot be built",
		},
		"program takes too long": {
			program: "import time; time.sleep(600)", change: func(sub *client.Submission) { sub.MaxDuration = 2 * time.Second },
			outcome: "timed_out", exitCode: -1, sentence: "max_duration is 2s",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := tc.program
			if program == "" {
				program = hello
			}
			sub := submission(t, "", program)
			if tc.change != nil {
				tc.change(&sub)
			}
			submitted, body := s.hold(t, sub)
			if tc.spoil != nil {
				tc.spoil(t, s.workspace(t, body))
			}
			s.publish(t, queue, body)
			e := s.ended(t, submitted.Key)
			if e.Outcome != tc.outcome || !strings.Contains(e.Reason, tc.sentence) {
				t.Errorf("outcome %q, reason %q; want %q, %q", e.Outcome, e.Reason, tc.outcome, tc.sentence)
			}
			if tc.exitCode >= 0 && (e.ExitCode == nil || *e.ExitCode != tc.exitCode) {
				t.Errorf("exit code %v; want %d", e.ExitCode, tc.exitCode)
			}
			if output, final := s.output(t.Context(), t, submitted.Key); !final || !strings.Contains(output, tc.sentence) || strings.Contains(output, "hello\n") {
				t.Errorf("output (final: %v) = %q; want the sentence and no run", final, output)
			}
			if n := len(s.attempts(t, submitted.Key)); n != 1 {
				t.Errorf("%d attempts; want 1, since no retry can help", n)
			}
		})
	}
}

// testFinishedRecord is a message that comes again long after: another experiment in the same queue shows that it was read.
func testFinishedRecord(t *testing.T, s *studio) {
	t.Helper()
	submitted, body := s.hold(t, submission(t, "", `print("hello")`))
	object := s.objects.Bucket(s.cloud.Metadata).Object("experiments/" + submitted.Key)
	var fields map[string]any
	if err := json.Unmarshal(read(t, object), &fields); err != nil {
		t.Fatal(err)
	}
	fields["status"], fields["time_finished"] = "finished", fields["time_added"]
	finished, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, object, finished)
	before, err := object.Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, queue, body)
	eventually(t, func(context.Context) (bool, string) {
		return s.logged(t, "executor-local-cpu", "has ended already", submitted.Key), "the executor has not acknowledged the message"
	})
	after, err := object.Attrs(t.Context())
	if err != nil || after.Generation != before.Generation {
		t.Errorf("the record is now %s (%v); want it unchanged", read(t, object), err)
	}
	if artifacts, err := s.Artifacts(t.Context(), submitted.Key); err != nil || len(artifacts) > 0 {
		t.Errorf("artifacts %v, %v; want none", artifacts, err)
	}
}

func testDeadLetters(t *testing.T, s *studio) {
	t.Helper()
	letters := s.deadLetters(t)
	s.publish(t, queue, []byte("not json"))
	after := s.submit(t, submission(t, "after the unreadable one", `print("hello")`))
	_, body := s.hold(t, submission(t, "in clear", `print("hello")`))
	s.publish(t, s.cloud.SealedQueue+"_clear", body)
	want := map[string]string{"not json": "malformed", string(body): "clear_refused"}
	timeout := time.After(patience)
	for len(want) > 0 {
		select {
		case l := <-letters:
			reason, ours := want[string(l.Data)]
			if ours && (l.Reason != reason || l.Detail == "" || l.MessageID != message.ID(l.Data)) {
				t.Errorf("dead letter %q, %q of %s; want the reason %q and a sentence", l.Reason, l.Detail, l.MessageID, reason)
			}
			delete(want, string(l.Data))
		case <-timeout:
			t.Fatalf("no dead letters within %s: %v", patience, want)
		}
	}
	s.completed(t, after.Key)
}

// deadLetters subscribes to the dead letters until the test ends.
func (s *studio) deadLetters(t *testing.T) <-chan message.DeadLetter {
	t.Helper()
	messages, err := s.PubSub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prefix := "projects/" + s.cloud.Project
	sub, err := messages.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: prefix + "/subscriptions/path-dead-letters-" + uuid.NewString(), Topic: prefix + "/topics/studio-dead-letters", AckDeadlineSeconds: 10,
	})
	if err != nil {
		t.Fatal(errors.Join(err, messages.Close()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	letters, done := make(chan message.DeadLetter, 100), make(chan error, 1)
	go func() {
		done <- messages.Subscriber(sub.GetName()).Receive(ctx, func(_ context.Context, m *pubsub.Message) {
			m.Ack()
			l, err := message.DeadLetterFrom(m.Attributes, m.Data)
			if err != nil {
				t.Errorf("a dead letter cannot be read: %v", err)
			}
			letters <- l
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, messages.Close()); err != nil {
			t.Error(err)
		}
	})
	return letters
}

// workspace is the object that a request in clear names.
func (s *studio) workspace(t *testing.T, body []byte) *storage.ObjectHandle {
	t.Helper()
	var request struct {
		Experiment struct {
			Artifacts map[string]struct{ Key string }
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatal(err)
	}
	return s.objects.Bucket(s.cloud.Store).Object(request.Experiment.Artifacts["workspace"].Key)
}

func remove(t *testing.T, o *storage.ObjectHandle) {
	t.Helper()
	if err := o.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, o *storage.ObjectHandle, data []byte) {
	t.Helper()
	w := o.NewWriter(t.Context())
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, o *storage.ObjectHandle) []byte {
	t.Helper()
	r, err := o.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}
