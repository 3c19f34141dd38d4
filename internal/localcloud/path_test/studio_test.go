//go:build integration

package path_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// queue is read from by the bridge; hold is in none of its tenants' names.
const (
	queue = "rmq_path"
	hold  = "held"
)

// submission is an experiment whose program is the text. The note keeps its workspace from being another's.
func submission(t *testing.T, note, text string) client.Submission {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"main.py": text, "note.txt": t.Name() + " " + note} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return client.Submission{
		Queue: queue, Folder: folder, Script: "main.py", PythonVersion: "3", SaveEvery: time.Second, Lifetime: time.Hour,
		MaxDuration: 10 * time.Minute, Project: "path",
		Resources: map[string]any{"cpus": 1, "gpus": 0, "ram": "128mb", "hdd": "64mb"},
	}
}

func (s *studio) submit(t *testing.T, sub client.Submission) client.Submitted {
	t.Helper()
	submitted, err := s.Submit(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	return submitted
}

// hold submits to a queue that nobody reads and takes the message out again, so that what it speaks of can be spoiled.
func (s *studio) hold(t *testing.T, sub client.Submission) (client.Submitted, []byte) {
	t.Helper()
	sub.Queue = hold + "_" + filepath.Base(filepath.Dir(sub.Folder)) // one for each test
	submitted := s.submit(t, sub)
	var body []byte
	s.channel(t, func(ch *amqp.Channel) {
		m, ok, err := ch.Get(sub.Queue, true)
		if err != nil || !ok {
			t.Fatalf("take back the message: %v, %v", ok, err)
		}
		body = m.Body
	})
	return submitted, body
}

// publish sends a message as clients do, and returns once the broker has it.
func (s *studio) publish(t *testing.T, queue string, body []byte) {
	t.Helper()
	s.channel(t, func(ch *amqp.Channel) {
		const exchange = "StudioML.topic"
		_, declared := ch.QueueDeclare(queue, true, false, false, false, nil)
		if err := errors.Join(declared, ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil),
			ch.QueueBind(queue, "StudioML."+queue, exchange, false, nil), ch.Confirm(false)); err != nil {
			t.Fatal(err)
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, "StudioML."+queue, true, false, amqp.Publishing{
			AppId: "studioml", ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
		})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
			t.Fatalf("confirmed: %v, %v", ok, err)
		}
	})
}

func (s *studio) channel(t *testing.T, use func(*amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(s.cloud.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // whatever matters is confirmed
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	use(ch)
}

// seal makes a submission one for the cloud's sealed queue.
func (s *studio) seal(t *testing.T, sub client.Submission) client.Submission {
	t.Helper()
	public, publicErr := os.ReadFile(s.cloud.RequestPublicKey)
	private, privateErr := os.ReadFile(s.cloud.SigningKey)
	if err := errors.Join(publicErr, privateErr); err != nil {
		t.Fatal(err)
	}
	to, toErr := envelope.ParsePublicKey(public)
	sign, signErr := envelope.ParseSigningKey(private, nil)
	if err := errors.Join(toErr, signErr); err != nil {
		t.Fatal(err)
	}
	sub.Queue, sub.Seal = s.cloud.SealedQueue, &client.Seal{To: to, Sign: sign}
	return sub
}

// ended waits for the end of an experiment.
func (s *studio) ended(t *testing.T, key string) client.Experiment {
	t.Helper()
	var e client.Experiment
	eventually(t, func(ctx context.Context) (bool, string) {
		var err error
		e, err = s.Experiment(ctx, key)
		if err != nil {
			return false, err.Error()
		}
		return e.Ended(), key + " is " + e.Status
	})
	return e
}

// completed waits for the end of an experiment and expects everything that belongs to a good one.
func (s *studio) completed(t *testing.T, key string) string {
	t.Helper()
	e := s.ended(t, key)
	output, final := s.output(t.Context(), t, key)
	if e.Outcome != "completed" || e.ExitCode == nil || *e.ExitCode != 0 || e.Reason != "" || e.Finished.IsZero() {
		t.Errorf("the end of %s is %+v; want it completed", key, e)
	}
	if !final {
		t.Errorf("the output of %s is not final", key)
	}
	var document struct{ Studioml map[string]json.RawMessage }
	if err := json.Unmarshal(e.Document, &document); err != nil || len(document.Studioml["stop_time"]) == 0 {
		t.Errorf("the record's document is %s (%v); want one with a stop_time", e.Document, err)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "stop_time") {
		t.Errorf("the output of %s ends with %q; want its stop_time", key, last)
	}
	return output
}

// output is what is stored of an experiment's output; empty if nothing is.
func (s *studio) output(ctx context.Context, t *testing.T, key string) (text string, final bool) {
	t.Helper()
	var out bytes.Buffer
	final, err := s.Output(key).CopyNew(ctx, &out)
	if err != nil && !errors.Is(err, client.ErrNoOutput) {
		t.Error(err)
	}
	return out.String(), final
}

// attempts are those that an experiment's record lists.
func (s *studio) attempts(t *testing.T, key string) []record.Attempt {
	t.Helper()
	r, err := record.New(s.objects, time.Now).Read(t.Context(), record.Ref{Bucket: s.cloud.Metadata, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return r.Cloud().Attempts
}

// events subscribes to what happens until the test ends. The channel is never full.
func (s *studio) events(t *testing.T) <-chan event.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events, ready, done := make(chan event.Event, 10_000), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Watch(ctx, "studio-events", func() { close(ready) }, func(e event.Event) { events <- e })
	}()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("watch the events: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return events
}

// next waits for an event of a type.
func next(t *testing.T, events <-chan event.Event, kind event.Type) event.Event {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e := <-events:
			if e.Type == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %s within %s", kind, patience)
		}
	}
}

// eventually looks again and again until a condition holds. The text says how things are while it does not.
func eventually(t *testing.T, holds func(context.Context) (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, state := holds(ctx)
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %s", patience, state)
		case <-ticker.C:
		}
	}
}
