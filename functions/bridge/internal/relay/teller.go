package relay

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

// orderedEvents is how many events a second, and at once, are told with their ordering key. An ordered event costs a call to
// Pub/Sub, which in a burst would take more of the machine than the requests; further ones go unordered, with their time.
const orderedEvents = 200

// teller tells the events of one relay and counts those that were lost.
type teller struct {
	events  *event.Publisher
	ordered *rate.Limiter
	logger  *slog.Logger
	sent    sync.WaitGroup

	mu   sync.Mutex
	lost int
}

func newTeller(events *event.Publisher, logger *slog.Logger) *teller {
	return &teller{events: events, ordered: rate.NewLimiter(orderedEvents, orderedEvents), logger: logger}
}

// Tell begins to tell e. Only the first failure is logged, the number of all by flush: one that loses all its events would
// otherwise write a line for each message.
func (t *teller) Tell(ctx context.Context, e event.Event) {
	send := t.events.Send
	if e.Experiment != "" && !t.ordered.Allow() {
		send = t.events.SendUnordered
	}
	wait := send(ctx, e)
	t.sent.Go(func() {
		if err := wait(ctx); err != nil {
			t.lose(err)
		}
	})
}

func (t *teller) lose(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost++; t.lost == 1 {
		t.logger.Warn("event lost", "error", err)
	}
}

// flush waits until every event was told or lost; the context given to Tell bounds it.
func (t *teller) flush() {
	t.sent.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost > 0 {
		t.logger.Warn("events lost", "count", t.lost)
	}
}
