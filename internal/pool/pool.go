package pool

import "github.com/leaf-ai/studio-cloud-runner/pkg/request"

// The kinds of pools: pods on GKE nodes, or tasks of a Cloud Run job.
const (
	KindGKE    = "gke"
	KindRunJob = "run-job"
)

// Pool is what one pod of a pool offers to experiments.
type Pool struct {
	Name     string
	Kind     string
	GPUs     int   // cards
	GPUSlots int   // throughput slots of one card
	GPUMem   int64 // bytes on each card
	CPUs     int
	RAM      int64 // bytes
	HDD      int64 // bytes
}

// List holds the pools, smallest first.
type List []Pool

// Topic is the name of a pool's Pub/Sub topic, and of the subscription on it.
func Topic(pool string) string { return "studio-requests-" + pool }

// Find returns the pool of that name.
func (l List) Find(name string) (Pool, bool) {
	for _, p := range l {
		if p.Name == name {
			return p, true
		}
	}
	return Pool{}, false
}

// Route returns the first pool in which one pod can hold what r asks, or a [*NoFitError].
func (l List) Route(r request.Resources) (Pool, error) {
	for _, p := range l {
		if _, short := p.lacks(r); !short {
			return p, nil
		}
	}
	return Pool{}, l.noFit(r)
}

// Holds reports whether one pod of the pool, empty, can hold what r asks.
func (p Pool) Holds(r request.Resources) bool {
	_, short := p.lacks(r)
	return !short
}

// Slots is the number of throughput slots that one pod has on all its cards.
func (p Pool) Slots() int { return p.GPUs * p.GPUSlots }

// Cards is the number of cards over which r must be spread in this pool: as many as it counts, and enough for its
// slots. Memory alone asks for no card. It may exceed the cards that a pod has.
func (p Pool) Cards(r request.Resources) int {
	if p.GPUSlots == 0 {
		return r.GPUCount
	}
	return max(r.GPUCount, (r.GPUs+p.GPUSlots-1)/p.GPUSlots)
}

// SlotsNeeded is the number of slots that r takes in this pool: those it counts, and at least one on each of its cards.
// A request that counts cards and no slots takes the cards whole.
func (p Pool) SlotsNeeded(r request.Resources) int {
	if r.GPUs == 0 {
		return r.GPUCount * p.GPUSlots
	}
	return max(r.GPUs, p.Cards(r))
}
