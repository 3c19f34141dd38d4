//go:build integration

package rabbit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *rabbit.Server {
	t.Helper()
	began := time.Now()
	s, err := rabbit.Start(t.Context(), t.TempDir(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(began))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func channel(t *testing.T, s *rabbit.Server) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(s.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestDurableMessagesOutliveKilledBroker(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.PID
	ch := channel(t, s)
	if _, err := ch.QueueDeclare("rmq_test", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	// As clients do. It also brings the queue to the disk: RabbitMQ 3.10 leaves that to the next declaration where its database
	// happens to move its log at the moment of one, about once in 16 starts on a loaded machine.
	if err := ch.QueueBind("rmq_test", "test", "amq.topic", false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", "rmq_test", true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("kept")})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := confirm.WaitContext(t.Context()); !ok || err != nil {
		t.Fatalf("confirm = %v, %v", ok, err)
	}

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.PID == first {
		t.Error("the broker was not restarted")
	}
	got, ok, err := channel(t, s).Get("rmq_test", true)
	if err != nil || !ok || string(got.Body) != "kept" {
		t.Errorf("Get = %q, %v, %v; want the message", got.Body, ok, err)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := rabbit.Start(t.Context(), dir, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if u, m := port(t, s.AMQPURL), port(t, s.ManagementURL); m != u+10000 {
		t.Errorf("management port = %d; want %d", m, u+10000)
	}
	if got := processesOf(t, dir); len(got) < 4 {
		t.Errorf("processes = %v; want the broker, its two helpers and epmd", got)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if got := processesOf(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a closed broker was restarted")
	}
}

func TestNothingIsLeftAfterInterruptedStart(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 100 * time.Millisecond, time.Second, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			s, err := rabbit.Start(ctx, dir, t.Output())
			if err == nil {
				err = s.Close()
			}
			if err == nil && after == 0 {
				t.Error("started with an ended context")
			}
			if got := processesOf(t, dir); len(got) != 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

func port(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// processesOf lists the processes that run with dir as their home.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && bytes.Contains(env, []byte("HOME="+dir+"\x00")) {
			comm, _ := os.ReadFile("/proc/" + e.Name() + "/comm")
			found = append(found, fmt.Sprintf("%s %s", e.Name(), bytes.TrimSpace(comm)))
		}
	}
	return found
}
