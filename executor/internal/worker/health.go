package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
)

// GPUs watches over the machine's cards.
type GPUs interface {
	// Check returns the faults of all cards, earlier ones included.
	Check(ctx context.Context) []*device.Fault
	// Watch reports faults as the driver tells them, until ctx is done.
	Watch(ctx context.Context, report func(*device.Fault)) error
}

// checkGPUsEvery is how often cards are asked for memory errors; what the driver tells by itself comes at once.
const checkGPUsEvery = 30 * time.Second

// WatchGPUs takes cards that go bad out of use, and ends the attempts on them as failures of the infrastructure, until
// ctx is done.
func (w *Worker) WatchGPUs(ctx context.Context, gpus GPUs) {
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := gpus.Watch(ctx, w.condemn); err != nil {
			w.Log.Error("GPU events are not watched, memory errors are still polled for", "error", err)
		}
	})
	defer watching.Wait()
	ticker := time.NewTicker(checkGPUsEvery)
	defer ticker.Stop()
	for {
		for _, fault := range gpus.Check(ctx) {
			w.condemn(fault)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *Worker) condemn(fault *device.Fault) {
	w.Allocator.Retire(fault.UUID)
	for _, stop := range w.running.on(fault.UUID) {
		stop(fmt.Errorf("%w: %w", errDevice, fault))
	}
	if w.running.condemned(fault.UUID) {
		w.Log.Error("GPU went bad and is taken out of use", "gpu", fault.UUID, "error", fault)
	}
}

var errDevice = errors.New("a GPU of the experiment went bad")

// running is which attempts use which cards.
type running struct {
	mu    sync.Mutex
	stops map[*attempt]context.CancelCauseFunc
	bad   map[string]bool
}

func (r *running) add(a *attempt, stop context.CancelCauseFunc) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stops == nil {
		r.stops = map[*attempt]context.CancelCauseFunc{}
	}
	r.stops[a] = stop
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.stops, a)
	}
}

// on returns what stops the attempts that use a card.
func (r *running) on(uuid string) (stops []context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, stop := range r.stops {
		if a.grant != nil && slices.Contains(a.grant.UUIDs, uuid) {
			stops = append(stops, stop)
		}
	}
	return stops
}

// condemned notes a bad card and tells whether that is news.
func (r *running) condemned(uuid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad == nil {
		r.bad = map[string]bool{}
	}
	news := !r.bad[uuid]
	r.bad[uuid] = true
	return news
}
