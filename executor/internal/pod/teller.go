package pod

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Pauses between two patches, so that short experiments do not keep the API server busy.
const (
	pause = 5 * time.Second
	retry = 30 * time.Second // after one that failed
)

// Teller keeps the pod up to date with what the executor says of itself. Its methods never block.
type Teller struct {
	api   *API
	slots int
	log   *slog.Logger

	mu    sync.Mutex
	now   doing
	dirty chan struct{}
}

// NewTeller is for an executor that runs at most so many experiments.
func NewTeller(api *API, slots int, log *slog.Logger) *Teller {
	return &Teller{api: api, slots: slots, log: log, dirty: make(chan struct{}, 1)}
}

// Runs says how many experiments run, more or fewer than before.
func (t *Teller) Runs(change int) { t.change(func(d *doing) { d.runs += change }) }

// Draining says that nothing new is taken any more.
func (t *Teller) Draining() { t.change(func(d *doing) { d.draining = true }) }

func (t *Teller) change(by func(*doing)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by(&t.now)
	select {
	case t.dirty <- struct{}{}:
	default: // the one that waits will find this too
	}
}

func (t *Teller) doing() doing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// Run tells what the pod does, first of all that it is idle, until ctx is done.
func (t *Teller) Run(ctx context.Context) {
	var told *doing
	failing := false
	for {
		wait := pause
		if d := t.doing(); told == nil || d != *told {
			err := t.api.tell(ctx, d, t.slots)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				told, failing = &d, false
			default:
				if !failing {
					t.log.Warn("Kubernetes does not know what this pod does: scaling is less exact until it does", "error", err)
				}
				failing, wait = true, retry
			}
		}
		if !sleep(ctx, wait) {
			return
		}
		if failing {
			continue
		}
		select {
		case <-t.dirty:
		case <-ctx.Done():
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
