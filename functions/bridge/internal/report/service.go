package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// callTime is less than the shortest acknowledgement deadline that a push subscription should have, a minute.
const callTime = 50 * time.Second

// errStopped answers events that come after the shutdown.
var errStopped = errors.New("the bridge is shutting down")

// Service receives batches of reports. It reads its settings at the first one.
type Service struct {
	env  envconfig.Lookuper
	logs io.Writer

	mu      sync.Mutex
	carrier *carrier
	rabbit  *connection
	logger  *slog.Logger
	stopped bool
	calls   sync.WaitGroup
}

// NewService returns a Service with the settings of env that logs to logs.
func NewService(env envconfig.Lookuper, logs io.Writer) *Service {
	return &Service{env: env, logs: logs}
}

// Receive carries one batch. An error asks for its redelivery; the framework logs it.
func (s *Service) Receive(ctx context.Context, e cloudevents.Event) error {
	c, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.calls.Done()
	batch, err := batchOf(e)
	if err != nil {
		s.logger.Error("dropped what is no batch of reports", "event", e.ID(), "error", err)
		return nil // it would be none the next time
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.carry(ctx, batch)
}

// begin returns the carrier, made at the first call, and counts a call that must be ended with s.calls.Done.
func (s *Service) begin(ctx context.Context) (*carrier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errStopped
	}
	if s.carrier == nil {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	s.calls.Add(1)
	return s.carrier, nil
}

func (s *Service) load(ctx context.Context) error {
	cfg, err := loadConfig(ctx, s.env)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	s.logger = cloudlog.New(s.logs, cfg.logLevel, "report")
	tenants, err := tenant.Open(cfg.Tenants, tenant.SigningKeys(cfg.SigningKeys), tenant.ReportKeys(cfg.ReportKeys),
		tenant.OnFault(func(err error) { s.logger.Error("tenants at fault", "error", err) }))
	if err != nil {
		return fmt.Errorf("open tenants: %w", err)
	}
	s.rabbit = &connection{broker: cfg.broker}
	s.carrier = &carrier{
		queues: s.rabbit, sender: &reporting.Sender{Tenants: tenants.Tenants}, limit: cfg.limit, logger: s.logger, now: time.Now,
		missed: &missed{}, nobody: &tally{},
	}
	return nil
}

// Shutdown takes no more batches, waits until those in hand are carried or ctx has ended, and closes the connection. A second
// one does nothing.
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
	case <-ctx.Done():
		return fmt.Errorf("carry reports: %w", ctx.Err())
	}
	if s.rabbit != nil {
		s.rabbit.close()
	}
	return nil
}
