package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

var (
	// ErrNeverFits means that a pod of this pool cannot hold the request, however long it waits.
	ErrNeverFits = errors.New("the request never fits")
	// ErrTooFewCards means that the pool promises cards which this executor lacks, or which went bad.
	ErrTooFewCards = errors.New("this executor has too few usable GPUs")
)

// Allocator lends what one pod of a pool has. Its methods may be called from several goroutines.
type Allocator struct {
	pool    pool.Pool
	virtual bool // the pool lists cards, but there is none

	mu      sync.Mutex
	cards   []lent
	cpus    int   // free
	ram     int64 // free
	hdd     int64 // free
	waiting []*waiter
}

// waiter is one Acquire. It gets a grant or an error, once.
type waiter struct {
	need  need
	ready chan *Grant // closed without a grant when the cards it needs are gone
}

// Lent are those of a machine's devices that a pod of the pool lends, well or not: the first.
func Lent(p pool.Pool, devices []Device) []Device { return devices[:min(len(devices), p.GPUs)] }

// NewAllocator returns an allocator of a pod with these devices. Devices that the pool does not list are not lent. With
// no device at all, slots are counted as if the pool's cards were there: experiments run without a GPU, no more of them
// at once than elsewhere.
func NewAllocator(p pool.Pool, devices []Device) *Allocator {
	a := &Allocator{pool: p, cpus: p.CPUs, ram: p.RAM, hdd: p.HDD, virtual: len(devices) == 0}
	if a.virtual {
		devices = make([]Device, p.GPUs)
	}
	for _, d := range Lent(p, devices) {
		a.cards = append(a.cards, lent{Device: d, slots: p.GPUSlots, memory: p.GPUMem})
	}
	return a
}

// Acquire waits until what r asks is free, behind everyone who asked before. The caller must release the grant.
func (a *Allocator) Acquire(ctx context.Context, r request.Resources) (*Grant, error) {
	if _, err := (pool.List{a.pool}).Route(r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNeverFits, err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("wait for resources: %w", context.Cause(ctx))
	}
	w := &waiter{need: needOf(a.pool, r), ready: make(chan *Grant, 1)}
	a.join(w)
	select {
	case g, ok := <-w.ready:
		return a.answer(g, ok, w)
	case <-ctx.Done():
		a.leave(w)
		return nil, fmt.Errorf("wait for resources: %w", context.Cause(ctx))
	}
}

func (a *Allocator) answer(g *Grant, granted bool, w *waiter) (*Grant, error) {
	if !granted {
		return nil, fmt.Errorf("%w: pool %s lists %d, the request needs %d", ErrTooFewCards, a.pool.Name, a.pool.GPUs, len(w.need.slots))
	}
	return g, nil
}

func (a *Allocator) join(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, w)
	a.serve()
}

// leave takes w out of the queue, and gives back what it got at the last moment.
func (a *Allocator) leave(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = slices.DeleteFunc(a.waiting, func(other *waiter) bool { return other == w })
	select {
	case g := <-w.ready:
		if g != nil {
			g.give()
		}
	default:
	}
	a.serve()
}

// serve answers waiters from the front until one must wait: who asks for little does not overtake.
func (a *Allocator) serve() {
	for len(a.waiting) > 0 {
		w := a.waiting[0]
		if len(w.need.slots) > a.usable() {
			close(w.ready)
		} else if g, ok := a.take(w.need); ok {
			w.ready <- g
		} else {
			return
		}
		a.waiting = a.waiting[1:]
	}
}

func (a *Allocator) usable() int {
	n := 0
	for _, c := range a.cards {
		if !c.retired {
			n++
		}
	}
	return n
}

// Left is how many of the cards that the pool lists can still be lent.
func (a *Allocator) Left() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.usable()
}

// Retire takes bad devices out of use for good. Who uses one keeps its grant until it is released; who waits for more
// cards than are left gets [ErrTooFewCards].
func (a *Allocator) Retire(uuids ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.cards {
		if slices.Contains(uuids, a.cards[i].UUID) {
			a.cards[i].retired = true
		}
	}
	a.serve()
}
