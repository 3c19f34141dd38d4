package worker

import (
	"context"
	"errors"
	"fmt"
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
	if !w.fit() && w.Unfit != nil {
		w.Unfit()
	}
}

// fit tells whether the executor should go on to take work. With a part of its cards it would take requests for more than it has
// left as fast as it gives them back, until Pub/Sub takes them for undeliverable. So it leaves where another takes its place. Elsewhere
// nobody would: whoever starts it again does so with the same cards, and an executor that stays says what is wrong with them.
func (w *Worker) fit() bool {
	return !w.Whole || w.Allocator.Left() == w.Pool.GPUs
}

// ErrUnfit is why an executor leaves whose cards, or disk, do not do.
var ErrUnfit = errors.New("the machine of this executor is at fault, and it takes nothing more")

var errDevice = errors.New("a GPU of the experiment went bad")
