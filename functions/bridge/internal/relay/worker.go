package relay

import (
	"context"
	"time"
)

// leastRun is how often a worker begins a run at most.
const leastRun = time.Second

// Work relays without being called, one run after another, until ctx is done or the service is shut down. Runs begin anew because
// each tells what it did, in the log, and finds its way to RabbitMQ afresh. Only settings that are at fault are an error: what
// fails else is tried again.
func (s *Service) Work(ctx context.Context) error {
	relay, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.runs.Done()
	ctx, cancel := s.until(ctx)
	defer cancel()
	for ctx.Err() == nil {
		again := time.After(leastRun)
		_, _ = relay.logged(ctx) // the next run is tried in any case
		select {
		case <-again:
		case <-ctx.Done():
		}
	}
	return nil
}

// logged is Run, whose result it writes into the log and, with the error, into the summary.
func (r Relay) logged(ctx context.Context) (Summary, error) {
	summary, err := r.Run(ctx)
	total := summary.total()
	attrs := []any{
		"ended", summary.Ended, "took", summary.Took, "relayed", total.Relayed, "dead_lettered", total.DeadLettered, "requeued", total.Requeued,
	}
	if err != nil {
		summary.Error = err.Error()
		r.Logger.Error("relay failed", append(attrs, "error", err)...)
	} else {
		r.Logger.Info("relay ended", attrs...)
	}
	return summary, err
}
