//go:build integration

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reader is an experimenter with a broker and a report key.
type reader struct {
	user
	broker *rabbit.Server
	key    string
	to     *envelope.PublicKey
}

func newReader(t *testing.T) *reader {
	t.Helper()
	broker, err := rabbit.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &reader{user: newUser(t, map[string]string{"AMQP_URL": broker.AMQPURL}), broker: broker}
	r.key, r.to = r.pair("key")
	return r
}

// pair makes a report key.
func (r *reader) pair(name string) (private string, public *envelope.PublicKey) {
	r.t.Helper()
	m := r.makes("report", filepath.Join(r.env["HOME"], name), "--bits", "2048")
	public, err := envelope.ParsePublicKey([]byte(read(r.t, m.Files["public"])))
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Files["private"], public
}

// channel works on a channel of its own.
func (r *reader) channel(use func(*amqp.Channel) error) {
	r.t.Helper()
	conn, err := amqp.Dial(r.broker.AMQPURL)
	if err != nil {
		r.t.Fatal(err)
	}
	channel, err := conn.Channel()
	if err == nil {
		err = use(channel)
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		r.t.Fatal(err)
	}
}

// publish sends bodies as the bridge does.
func (r *reader) publish(queue, id string, body []byte) {
	r.t.Helper()
	r.channel(func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(r.t.Context(), "StudioML.topic", "StudioML."+queue, true, false,
			amqp.Publishing{ContentType: "text/plain", MessageId: id, Body: body})
		if err != nil {
			return err
		}
		_, err = confirm.WaitContext(r.t.Context())
		return err
	})
}

func (r *reader) report(id, key, text string, to *envelope.PublicKey) {
	r.t.Helper()
	body, err := report.Seal(reported(key, logged(report.LogSeverity_Info, text)), to)
	if err != nil {
		r.t.Fatal(err)
	}
	r.publish("rmq_lab_response", id, []byte(body))
}

// left counts what is in the response queue.
func (r *reader) left() (count int) {
	r.t.Helper()
	r.channel(func(ch *amqp.Channel) error {
		state, err := ch.QueueDeclarePassive("rmq_lab_response", false, false, false, false, nil)
		count = state.Messages
		return err
	})
	return count
}

// reads runs studioctl reports and returns the words of what it prints.
func (r *reader) reads(code int, args ...string) (texts []string, errOut string) {
	r.t.Helper()
	got, out, errOut := r.run(append([]string{"reports", "--queue", "rmq_lab", "--json"}, args...)...)
	if got != code {
		r.t.Fatalf("reports %v = %d; want %d: %s", args, got, code, errOut)
	}
	d := json.NewDecoder(strings.NewReader(out))
	for {
		var line struct {
			MessageID string `json:"message_id"`
			Report    struct{ Logging struct{ Message string } }
		}
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return texts, errOut
		}
		if err != nil {
			r.t.Fatalf("reports printed %q: %v", out, err)
		}
		texts = append(texts, line.MessageID+" "+line.Report.Logging.Message)
	}
}

func (r *reader) wants(want, got []string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("read are %q; want %q", got, want)
	}
}

func TestReportsAreReadOnceInOrderAndTheOthersStay(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	if _, errOut := r.reads(1, "--key", r.key); !strings.Contains(errOut, "nothing is reported until you make it, with the same command and --create") {
		t.Errorf("without a queue: %s", errOut)
	}
	got, _ := r.reads(0, "--key", r.key, "--create")
	r.wants(nil, got)
	for i, key := range []string{"one", "two", "one", "two"} {
		r.report(fmt.Sprintf("%s/%d", key, i), key, "line", r.to)
	}
	r.report("one/2", "one", "line", r.to) // came twice

	got, _ = r.reads(0, "--key", r.key, "--peek")
	r.wants([]string{"one/0 line", "two/1 line", "one/2 line", "two/3 line"}, got)
	got, _ = r.reads(0, "--key", r.key, "--experiment", "one")
	r.wants([]string{"one/0 line", "one/2 line"}, got)
	if left := r.left(); left != 2 {
		t.Errorf("%d are left; want those of the other experiment", left)
	}
	got, _ = r.reads(0, "--key", r.key)
	r.wants([]string{"two/1 line", "two/3 line"}, got)
	if left := r.left(); left != 0 {
		t.Errorf("%d are left", left)
	}
	if code, out, errOut := r.run("reports", "--queue", "rmq_lab_response", "--key", r.key); code != 0 || out != "" || !strings.Contains(errOut, "There are no reports in rmq_lab_response") {
		t.Errorf("an empty queue: %d, %q, %q", code, out, errOut)
	}
}

func TestReportsOfAnotherKeyStayUntilTheyAreDiscarded(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.reads(0, "--key", r.key, "--create")
	previous, to := r.pair("previous")
	r.report("a/0", "a", "first", to)
	r.publish("rmq_lab_response", "b/0", []byte("no report"))
	r.report("a/1", "a", "second", r.to)

	got, errOut := r.reads(1, "--key", r.key)
	r.wants([]string{"a/1 second"}, got)
	if !strings.Contains(errOut, "open 2 reports of rmq_lab_response: none is for SHA256:") || !strings.Contains(errOut, "they stay in the queue") {
		t.Errorf("said is %s", errOut)
	}
	got, _ = r.reads(1, "--key", r.key, "--key", previous)
	r.wants([]string{"a/0 first"}, got)
	if _, errOut = r.reads(1, "--key", r.key, "--discard-unreadable"); !strings.Contains(errOut, "they were taken out") || r.left() != 0 {
		t.Errorf("%d are left: %s", r.left(), errOut)
	}
}

func TestTheResponseQueueIsAsDurableAsTheQueueOfItsRequests(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.channel(func(ch *amqp.Channel) error {
		_, transient := ch.QueueDeclare("rmq_transient", false, false, false, false, nil)
		_, quorum := ch.QueueDeclare("rmq_quorum", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
		_, durable := ch.QueueDeclare("rmq_durable", true, false, false, false, nil)
		return errors.Join(transient, quorum, durable)
	})
	for queue, want := range map[string]bool{"rmq_transient": false, "rmq_quorum": true, "rmq_durable": true, "rmq_none": true} {
		for range 2 { // the second time it is there
			r.must("reports", "--queue", queue, "--key", r.key, "--create")
		}
		r.channel(func(ch *amqp.Channel) error {
			if _, err := ch.QueueDeclare(queue+"_response", want, false, false, false, nil); err != nil {
				t.Errorf("the response queue of %s is not kept as it is (%v): %v", queue, want, err)
			}
			return nil
		})
	}
}

// A follower sees what comes later, and goes on when the broker comes back.
func TestAFollowerGoesOnAfterTheBrokersRestart(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.reads(0, "--key", r.key, "--create")
	r.report("a/0", "a", "before", r.to)
	ctx, cancel := context.WithCancel(t.Context())
	lines, done := &printedLines{lines: make(chan string, 10)}, make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"reports", "--queue", "rmq_lab", "--key", r.key, "--follow"}, envconfig.MapLookuper(r.env), lines, t.Output())
	}()
	if line := <-lines.lines; !strings.HasSuffix(line, "info     before\n") {
		t.Errorf("the first line is %q", line)
	}
	if err := errors.Join(r.broker.Kill(), r.broker.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	r.report("a/1", "a", "after", r.to)
	for line := range lines.lines {
		if strings.HasSuffix(line, "info     after\n") {
			break
		}
		t.Errorf("a line is printed again: %q", line) // whether or not the broker knew before it was killed
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if left := r.left(); left != 0 {
		t.Errorf("%d are left", left)
	}
}

// printedLines hands over each line.
type printedLines struct{ lines chan string }

func (w *printedLines) Write(p []byte) (int, error) {
	w.lines <- string(p)
	return len(p), nil
}
