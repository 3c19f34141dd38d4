package relay

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
)

// Not parallel, as the client library takes the emulator's address from the process's environment.

func TestAnAbsentRabbitMQIsA502(t *testing.T) {
	t.Setenv("PUBSUB_EMULATOR_HOST", testcloud.Start(t).Address)
	logs := &lockedBuffer{}
	s := NewService(environmentOn(t, "amqp://user:s3cret@"+closedPort(t), map[string]string{"RELAY_IDLE": "1ms", "RELAY_CONNECT": "1ms"}), logs)
	code, summary := call(t, s)
	if code != http.StatusBadGateway || summary.Ended != Idle || strings.Contains(summary.Error+logs.String(), "s3cret") {
		t.Errorf("answer %d, %+v, log %s", code, summary, logs)
	}
	mustContain(t, "log", logs.String(), `"message":"relay failed"`)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestAShutdownEndsEveryCall(t *testing.T) {
	t.Setenv("PUBSUB_EMULATOR_HOST", testcloud.Start(t).Address)
	s := NewService(environmentOn(t, "amqp://"+closedPort(t), nil), &lockedBuffer{})
	relay, err := s.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan Summary)
	go func() {
		defer s.runs.Done()
		ctx, cancel := s.until(t.Context())
		defer cancel()
		summary, _ := relay.Run(ctx) // RabbitMQ is absent
		ended <- summary
	}()
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if summary := <-ended; summary.Ended != Shutdown {
		t.Errorf("the call ended with %q", summary.Ended)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if code, summary := call(t, s); code != http.StatusServiceUnavailable {
		t.Errorf("a later call is answered %d, %s", code, summary.Error)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("a second Shutdown = %v", err)
	}
}

func TestAShutdownBeforeTheFirstCallIsHarmless(t *testing.T) {
	t.Parallel()
	if err := NewService(nil, nil).Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestAWorkerTriesAgainUntilTheShutdown(t *testing.T) {
	t.Setenv("PUBSUB_EMULATOR_HOST", testcloud.Start(t).Address)
	logs := &lockedBuffer{}
	s := NewService(environmentOn(t, "amqp://user:s3cret@"+closedPort(t), map[string]string{"RELAY_IDLE": "1ms", "RELAY_CONNECT": "1ms"}), logs)
	worked := make(chan error)
	go func() { worked <- s.Work(t.Context()) }()
	for strings.Count(logs.String(), `"message":"relay failed"`) < 2 {
		select {
		case err := <-worked:
			t.Fatalf("Work = %v, %s", err, logs)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if err := <-worked; err != nil || strings.Contains(logs.String(), "s3cret") {
		t.Errorf("Work = %v, %s", err, logs)
	}
	if err := s.Work(t.Context()); !errors.Is(err, errStopped) {
		t.Errorf("Work after the shutdown = %v", err)
	}
}
