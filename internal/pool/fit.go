package pool

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// ErrNoFit matches every [NoFitError].
var ErrNoFit = errors.New("no pool fits")

// NoFitError says which field of resources_needed no pool can hold.
type NoFitError struct {
	Field string // as in resources_needed
	Asked string
	Pool  string // the pool that has most of it; "" when there are no pools
	Has   string // what a pod of that pool has

	// Together is true when some pool has enough of each field, but none has enough of all; Pool is then the largest.
	Together bool
}

// Error is a sentence for the experimenter.
func (e *NoFitError) Error() string {
	switch {
	case e.Pool == "":
		return "no pool fits: this cluster has no pools; ask its owner"
	case e.Together:
		return fmt.Sprintf("no pool fits: no one pool has all that resources_needed asks; the largest, %s, has %s %s where %s is asked; ask for less, or ask the cluster's owner for a larger pool",
			e.Pool, e.Field, e.Has, e.Asked)
	}
	return fmt.Sprintf("no pool fits: resources_needed.%s asks for %s and the largest pool for it, %s, has %s; ask for less, or ask the cluster's owner for a larger pool",
		e.Field, e.Asked, e.Pool, e.Has)
}

// Is matches [ErrNoFit].
func (e *NoFitError) Is(target error) bool { return target == ErrNoFit }

// field is one thing that a request asks and a pool has, comparable as numbers.
type field struct {
	name  string
	asked func(request.Resources) int64
	has   func(Pool) int64
	text  func(int64) string
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// bytes writes a size exactly where a rounded one could equal what it is compared with.
func bytes(n int64) string { return fmt.Sprintf("%s (%d bytes)", humanize.Bytes(uint64(max(n, 0))), n) }

// fields are in the order in which they are told: an experimenter who misses a card need not hear about its host.
func fields() []field {
	return []field{
		{"gpus", func(r request.Resources) int64 { return int64(r.GPUs) }, func(p Pool) int64 { return int64(p.Slots()) }, count},
		{"gpuCount", func(r request.Resources) int64 { return int64(r.GPUCount) }, func(p Pool) int64 { return int64(p.GPUs) }, count},
		{"gpuMem", cardMemory, func(p Pool) int64 { return p.GPUMem }, bytes},
		{"cpus", func(r request.Resources) int64 { return int64(r.CPUs) }, func(p Pool) int64 { return int64(p.CPUs) }, count},
		{"ram", func(r request.Resources) int64 { return r.RAM }, func(p Pool) int64 { return p.RAM }, bytes},
		{"hdd", func(r request.Resources) int64 { return r.HDD }, func(p Pool) int64 { return p.HDD }, bytes},
	}
}

// cardMemory is 0 for a request without cards: clients keep a gpuMem setting beside gpus 0.
func cardMemory(r request.Resources) int64 {
	if r.GPUs == 0 && r.GPUCount == 0 {
		return 0
	}
	return r.GPUMem
}

// lacks returns the first field of which the pool has too little.
func (p Pool) lacks(r request.Resources) (field, bool) {
	for _, f := range fields() {
		if f.asked(r) > f.has(p) {
			return f, true
		}
	}
	return field{}, false
}

// Lacks says of which field the pool has too little for r; nil if one pod of it, empty, can hold r.
func (p Pool) Lacks(r request.Resources) *NoFitError {
	f, short := p.lacks(r)
	if !short {
		return nil
	}
	return fault(f, r, p)
}

// noFit explains why no pool holds r: by the first field of which every pool has too little, else by the largest pool.
func (l List) noFit(r request.Resources) *NoFitError {
	if len(l) == 0 {
		return &NoFitError{}
	}
	for _, f := range fields() {
		if most := l.most(f); f.asked(r) > f.has(most) {
			return fault(f, r, most)
		}
	}
	largest := l[len(l)-1]
	f, _ := largest.lacks(r)
	e := fault(f, r, largest)
	e.Together = true
	return e
}

func fault(f field, r request.Resources, p Pool) *NoFitError {
	return &NoFitError{Field: f.name, Asked: f.text(f.asked(r)), Pool: p.Name, Has: f.text(f.has(p))}
}

// most is the pool that has most of a field.
func (l List) most(f field) Pool {
	best := l[0]
	for _, p := range l[1:] {
		if f.has(p) > f.has(best) {
			best = p
		}
	}
	return best
}
