package artifact

import (
	"context"
	"fmt"
	"time"
)

// stallLimit is how long a transfer may go without any progress. The clients below retry for as long as their context
// lives; this bounds an outage, and a peer that neither answers nor closes. A chunk of 16 MiB needs it at under 1 Mbit/s.
const stallLimit = 3 * time.Minute

// A watchdog ends its context when it is armed and nobody resets it in time.
type watchdog struct {
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelCauseFunc
}

// watch returns an armed watchdog and the context that it guards.
func watch(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	stalled := func() { cancel(fmt.Errorf("no progress for %s", limit)) }
	return ctx, &watchdog{timer: time.AfterFunc(limit, stalled), limit: limit, cancel: cancel}
}

func (w *watchdog) reset()  { w.timer.Reset(w.limit) }
func (w *watchdog) disarm() { w.timer.Stop() }

// progress resets a watchdog that is armed.
func (w *watchdog) progress() {
	if w.timer.Stop() {
		w.timer.Reset(w.limit)
	}
}

// end releases the context; err, if any, is its cause.
func (w *watchdog) end(err error) {
	w.timer.Stop()
	w.cancel(err)
}

// cause replaces the bare "context canceled" that clients return by what ended ctx.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
