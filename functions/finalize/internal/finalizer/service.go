package finalizer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

const (
	// callTime ends the clients' own retries, which go on as long as their context does.
	callTime = 50 * time.Second
	// publishDelay is how long an event may wait for others: a call publishes one and waits for it.
	publishDelay = time.Millisecond
	source       = "//studio/finalize"
)

// errStopped answers events that come after the shutdown.
var errStopped = errors.New("finalize is shutting down")

// Service receives events. It reads its settings at the first one.
type Service struct {
	env  envconfig.Lookuper
	logs io.Writer

	mu        sync.Mutex
	finalizer *Finalizer
	close     func() error
	stopped   bool
	calls     sync.WaitGroup
}

// NewService returns a Service with the settings of env that logs to logs.
func NewService(env envconfig.Lookuper, logs io.Writer) *Service {
	return &Service{env: env, logs: logs, close: func() error { return nil }}
}

// Receive acts on one event. An error asks for its redelivery; the framework logs it.
func (s *Service) Receive(ctx context.Context, e cloudevents.Event) error {
	f, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.calls.Done()
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return f.Receive(ctx, e)
}

// begin returns the finalizer, made at the first call, and counts a call that must be ended with s.calls.Done.
func (s *Service) begin(ctx context.Context) (*Finalizer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errStopped
	}
	if s.finalizer == nil {
		if err := s.load(context.WithoutCancel(ctx)); err != nil { // the clients outlive the call
			return nil, err
		}
	}
	s.calls.Add(1)
	return s.finalizer, nil
}

func (s *Service) load(ctx context.Context) error {
	cfg, err := loadConfig(ctx, s.env)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	logger := cloudlog.New(s.logs, cfg.logLevel, "finalize")
	tenants, err := tenant.Open(cfg.Tenants, tenant.OnFault(func(err error) { logger.Error("tenants at fault", "error", err) }))
	if err != nil {
		return fmt.Errorf("TENANTS: %w", err)
	}
	objects, err := storage.NewClient(ctx)
	if err != nil {
		return fmt.Errorf("open Cloud Storage: %w", err)
	}
	messages, err := pubsub.NewClient(ctx, cfg.Project)
	if err != nil {
		return errors.Join(fmt.Errorf("open Pub/Sub: %w", err), objects.Close())
	}
	topic := messages.Publisher(cfg.EventsTopic)
	topic.PublishSettings.DelayThreshold = publishDelay
	s.close = func() error {
		topic.Stop()
		return errors.Join(messages.Close(), objects.Close())
	}
	s.finalizer = &Finalizer{
		Tenants: tenants.Tenants, Objects: GCS{objects}, Records: record.New(objects, time.Now), Events: event.New(topic, source), Logger: logger,
	}
	return nil
}

// Shutdown takes no more events, waits until those in hand are done or ctx has ended, and closes the clients. A second one
// does nothing.
func (s *Service) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.calls.Wait()
	}()
	select {
	case <-done:
		return s.close()
	case <-ctx.Done():
		return fmt.Errorf("finish events: %w", ctx.Err())
	}
}
