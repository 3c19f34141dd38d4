package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"cloud.google.com/go/pubsub/v2"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// errStopped answers calls that come after the shutdown.
var errStopped = errors.New("the bridge is shutting down")

// Service answers HTTP calls, each with one run of the relay: 200 and the [Summary] where it worked, and else, with the
// error in the summary, 500 (settings), 502 (RabbitMQ) or 503 (Pub/Sub), so that the scheduler shows it. It reads its
// settings at the first call.
type Service struct {
	env  envconfig.Lookuper
	logs io.Writer

	mu      sync.Mutex
	client  *pubsub.Client
	topics  *Topics
	relay   *Relay
	stopped bool
	runs    sync.WaitGroup

	stopping chan struct{} // closed to end the runs of all calls
}

// NewService returns a Service with the settings of env that logs to logs.
func NewService(env envconfig.Lookuper, logs io.Writer) *Service {
	return &Service{env: env, logs: logs, stopping: make(chan struct{})}
}

// ServeHTTP relays until there is nothing more to do, and answers.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	relay, err := s.begin(r.Context())
	if err != nil {
		answer(w, codeOf(err), Summary{Error: err.Error()})
		return
	}
	defer s.runs.Done()
	ctx, cancel := s.until(r.Context())
	defer cancel()
	summary, err := relay.logged(ctx)
	answer(w, codeOf(err), summary)
}

// until returns ctx, ended by the shutdown.
func (s *Service) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-s.stopping:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// begin returns the relay, made at the first call, and counts a run that must be ended with s.runs.Done.
func (s *Service) begin(ctx context.Context) (*Relay, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errStopped
	}
	if s.relay == nil {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	s.runs.Add(1)
	return s.relay, nil
}

// load makes the relay. The Pub/Sub client outlives the call.
func (s *Service) load(ctx context.Context) error {
	cfg, err := LoadConfig(ctx, s.env)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	logger := cloudlog.New(s.logs, cfg.LogLevel, "bridge")
	tenants, err := tenant.Open(cfg.Tenants, tenant.SigningKeys(cfg.SigningKeys), tenant.ReportKeys(cfg.ReportKeys),
		tenant.OnFault(func(err error) { logger.Error("tenants at fault", "error", err) }))
	if err != nil {
		return fmt.Errorf("TENANTS, SIGNING_KEYS or REPORT_KEYS: %w", err)
	}
	client, err := pubsub.NewClient(context.WithoutCancel(ctx), cfg.Project)
	if err != nil {
		return fmt.Errorf("open Pub/Sub: %w", err)
	}
	s.client = client
	s.topics = NewTopics(client, cfg.DeadLetterTopic, cfg.ReportsTopic, cfg.EventsTopic)
	s.relay = &Relay{
		Config: cfg, Topics: s.topics, Logger: logger, Reports: &reporting.Sender{Tenants: tenants.Tenants, Publisher: s.topics},
		Admission: admission.Policy{Tenants: tenants.Tenants, ClearText: cfg.ClearText, Pools: cfg.Pools},
	}
	return nil
}

// Shutdown takes no more messages, waits until those in hand are settled and every call is answered or ctx has ended, and
// closes the clients. A second one does nothing.
func (s *Service) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	close(s.stopping)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.runs.Wait()
	}()
	select {
	case <-answered:
	case <-ctx.Done():
		return fmt.Errorf("settle: %w", ctx.Err())
	}
	if s.client == nil {
		return nil
	}
	s.topics.Stop(ctx)
	return s.client.Close()
}

func codeOf(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrRabbitMQ):
		return http.StatusBadGateway
	case errors.Is(err, ErrPubSub), errors.Is(err, errStopped):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// answer writes the summary at once: the program may end as soon as every call is answered.
func answer(w http.ResponseWriter, code int, s Summary) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(s) // a caller that is gone needs no answer
	_ = http.NewResponseController(w).Flush()
}
