package finalizer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

func TestEveryFaultOfTheEnvironmentIsReported(t *testing.T) {
	t.Parallel()
	s := NewService(envconfig.MapLookuper(map[string]string{"LOG_LEVEL": "loud"}), io.Discard)
	err := s.Receive(t.Context(), notify(store, output))
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "TENANTS", "LOG_LEVEL"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Receive = %v; want it to name %s", err, name)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestShutdownFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.upload(b.claim(), record.StateFinal, "")
	s := &Service{finalizer: b.Finalizer, close: func() error { return nil }}
	working, goOn := make(chan struct{}), make(chan struct{})
	first := true
	before := func(*http.Request) {
		if first {
			first = false
			close(working)
			<-goOn
		}
	}
	b.wire.before.Store(&before)
	received := make(chan error, 1)
	go func() { received <- s.Receive(t.Context(), notify(store, output)) }()
	<-working
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for s.Receive(t.Context(), notify("foreign", output)) == nil { // until the shutdown has begun
		continue
	}
	close(goOn)
	if err := errors.Join(<-received, <-stopped); err != nil || b.record().Status() != record.Finished {
		t.Errorf("in hand: %v, status %s", err, b.record().Status())
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown = %v", err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := NewService(nil, io.Discard)
	s.calls.Add(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v", err)
	}
	s.calls.Done()
}
