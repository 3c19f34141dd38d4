//go:build integration

package main

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// says waits until the program's log holds text so many times.
func (b *bridge) says(t *testing.T, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); strings.Count(b.logs.String(), text) < times; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not hold %s %d times", text, times)
		}
	}
}

// end tells the program to end and returns what became of it and how long that took.
func (b *bridge) end(t *testing.T) (took time.Duration, err error) {
	t.Helper()
	started := time.Now()
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = b.Wait()
	return time.Since(started), err
}

func TestAWorkerRelaysWithoutBeingCalledOneRunAfterAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start("RELAY_WORKER=true", "RELAY_DEADLINE=1s")
	for n := range 3 { // each after the run before has ended
		s.send(100)
		s.cloud.Wait(t, topic, 100*(n+1))
		b.says(t, `"relay ended"`, n+1)
	}
	if _, _, err := post(t.Context(), b.address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a worker answers calls: %v", err)
	}
	if took, err := b.end(t); err != nil || took > 10*time.Second {
		t.Errorf("the worker ended after %v with %v", took, err)
	}
	faulty := s.start("RELAY_WORKER=true", "POOLS=[]")
	var exit *exec.ExitError
	if err := faulty.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(faulty.logs.String(), "POOLS") {
		t.Errorf("a worker with faulty settings ended with %v: %s", err, faulty.logs)
	}
	if got := len(s.cloud.Messages(topic)); got != 300 || s.left() != 0 {
		t.Errorf("%d published, %d left; want 300 and none", got, s.left())
	}
}

func TestAWorkerThatIsToldToEndSettles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(500)
	held, release := make(chan struct{}, 100), make(chan struct{})
	s.cloud.OnPublish(func(_ context.Context, to string, next func() (any, error)) (any, error) {
		if to == topic {
			held <- struct{}{}
			<-release
		}
		return next()
	})
	b := s.start("RELAY_WORKER=true")
	<-held
	time.AfterFunc(time.Second, func() { close(release) })
	if took, err := b.end(t); err != nil || took > 10*time.Second {
		t.Errorf("the worker ended after %v with %v", took, err)
	}
	if published := len(s.cloud.Messages(topic)); published == 0 || published+s.left() != 500 {
		t.Errorf("published %d, left %d; want 500 in all", published, s.left())
	}
	if !strings.Contains(b.logs.String(), `"ended":"shutdown"`) {
		t.Error("the worker does not say how it ended")
	}
}

func TestAWorkerThatCannotSettleLeavesInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(10)
	held, release := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.cloud.OnPublish(func(_ context.Context, _ string, next func() (any, error)) (any, error) {
		held <- struct{}{}
		<-release
		return next()
	})
	b := s.start("RELAY_WORKER=true")
	<-held
	if took, _ := b.end(t); took > 9*time.Second { // it may say that it could not settle
		t.Errorf("the worker ended after %v", took)
	}
	if got := s.left(); got != 10 {
		t.Errorf("%d messages left in RabbitMQ; want 10", got)
	}
}

func TestAWorkerKilledBetweenPublishAndAcknowledgeLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(1)
	published, release := make(chan struct{}), make(chan struct{})
	s.cloud.OnPublish(func(_ context.Context, to string, next func() (any, error)) (any, error) {
		response, err := next()
		if to == topic {
			close(published) // Pub/Sub has it, and nobody knows
			<-release
		}
		return response, err
	})
	first := s.start("RELAY_WORKER=true")
	<-published
	if err := first.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // killed
	s.cloud.OnPublish(nil)
	close(release)

	second := s.start("RELAY_WORKER=true")
	s.cloud.Wait(t, topic, 2)
	if _, err := second.end(t); err != nil {
		t.Error(err)
	}
	for _, m := range s.cloud.Messages(topic) {
		if m.Attributes["message_id"] != message.ID([]byte(request(0))) {
			t.Errorf("message %s", m.Attributes["message_id"])
		}
	}
	if s.left() != 0 {
		t.Errorf("%d left in RabbitMQ", s.left())
	}
}

func TestAWorkerGoesOnAfterARestartOfRabbitMQ(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start("RELAY_WORKER=true")
	s.send(10)
	s.cloud.Wait(t, topic, 10)
	if err := s.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	b.says(t, `"no connection to RabbitMQ"`, 1)
	if err := s.broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.connect()
	s.send(10)
	s.cloud.Wait(t, topic, 20)
	if took, err := b.end(t); err != nil || took > 10*time.Second {
		t.Errorf("the worker ended after %v with %v", took, err)
	}
}
