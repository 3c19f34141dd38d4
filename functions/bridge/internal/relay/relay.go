package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
)

const (
	// settleTime is how long messages in hand may take to settle once no more are taken, events included. With the goodbye to
	// RabbitMQ it must fit into the 10 s that Cloud Run leaves between SIGTERM and the end.
	settleTime = 6 * time.Second
)

// Why a relay takes no more messages, as causes of its context.
var (
	errIdle     = errors.New(Idle)
	errDeadline = errors.New(Deadline)
)

// Errors of a relay, by what does not work.
var (
	ErrRabbitMQ = errors.New("RabbitMQ cannot be reached")
	ErrPubSub   = errors.New("Pub/Sub takes nothing")
)

// Relay takes messages from RabbitMQ to Pub/Sub.
type Relay struct {
	Config    Config
	Admission Admitter
	Topics    *Topics
	Reports   *reporting.Sender // nil for none
	Logger    *slog.Logger
}

// Run relays until nothing came for a while, the deadline is up, ctx nears its own, or ctx is canceled. It always returns
// what it did. The error is ErrRabbitMQ where RabbitMQ could not be reached, at all or in the end, and ErrPubSub where
// messages came and none could be brought to Pub/Sub.
func (r Relay) Run(ctx context.Context) (Summary, error) {
	started := time.Now()
	intake, stop := r.intake(ctx)
	defer stop(nil)
	work, cancel := settling(ctx, intake)
	defer cancel()
	one := &run{
		Relay: r, directory: NewDirectory(r.Config.Broker, r.Config.Queues), tally: newTally(),
		events: newTeller(r.Topics.events, r.Logger),
	}
	defer one.directory.Close()
	one.serve(intake, work, stop)
	one.events.flush()
	summary := Summary{Queues: one.tally.queues, Took: time.Since(started).Round(time.Millisecond).String(), Ended: word(intake)}
	return summary, errors.Join(one.link.fault(), summary.fault())
}

// fault tells of a relay that achieved nothing though there was something to do.
func (s Summary) fault() error {
	if t := s.total(); t.Requeued > 0 && t.Relayed+t.DeadLettered == 0 {
		return fmt.Errorf("%w: requests went back to RabbitMQ %d times", ErrPubSub, t.Requeued)
	}
	return nil
}

// intake returns the context in which messages are taken. It ends with the relay's deadline, and early enough before that of
// ctx to settle.
func (r Relay) intake(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	until := time.Now().Add(r.Config.Deadline)
	if limit, ok := ctx.Deadline(); ok {
		if limit = limit.Add(-min(settleTime, time.Until(limit)/2)); limit.Before(until) {
			until = limit
		}
	}
	timed, cancel := context.WithDeadlineCause(ctx, until, errDeadline)
	intake, stop := context.WithCancelCause(timed)
	return intake, func(cause error) {
		stop(cause)
		cancel()
	}
}

// settling returns the context in which messages in hand are settled: it outlives the intake, and ctx, by settleTime.
func settling(ctx, intake context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(intake, func() {
		timer := time.AfterFunc(settleTime, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return work, cancel
}

// word tells why the intake has ended.
func word(intake context.Context) string {
	switch cause := context.Cause(intake); {
	case errors.Is(cause, errIdle):
		return Idle
	case errors.Is(cause, errDeadline), errors.Is(cause, context.DeadlineExceeded):
		return Deadline
	default:
		return Shutdown
	}
}
