// Package backoff spaces the retries of the local cloud's loops.
package backoff

import (
	"context"
	"time"
)

// A Backoff doubles its pause from Min to Max with each [Backoff.Wait] until [Backoff.Reset]. Its zero value does not pause. It is not for
// several goroutines.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Reset makes the next pause the shortest.
func (b *Backoff) Reset() { b.next = 0 }

// Wait pauses. It returns early, with the cause, when ctx is done.
func (b *Backoff) Wait(ctx context.Context) error {
	b.next = min(max(2*b.next, b.Min), b.Max)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
