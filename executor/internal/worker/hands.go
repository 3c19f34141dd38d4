package worker

import (
	"sync"
	"time"
)

// hands counts the deliveries in hand.
type hands struct {
	mu    sync.Mutex
	n     int
	since time.Time // when n became 0
}

func (h *hands) add(change int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += change
	h.since = now
}

// idle is how long there has been none; 0 while there are some.
func (h *hands) idle(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n > 0 {
		return 0
	}
	return max(1, now.Sub(h.since))
}
