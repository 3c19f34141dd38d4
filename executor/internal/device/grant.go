package device

import (
	"fmt"
	"strings"
	"sync"
)

// Grant is a part of the pod, lent to one experiment.
type Grant struct {
	UUIDs []string // of its devices; none when no GPU was asked for or none is there
	Note  string   // a sentence for the experimenter when the GPUs are not as they were asked for

	allocator *Allocator
	need      need
	shares    []share
	released  sync.Once
}

// Env returns the variables that show the program its devices and hide the others. Without a device it hides all.
func (g *Grant) Env() []string {
	return []string{"CUDA_VISIBLE_DEVICES=" + strings.Join(g.UUIDs, ",")}
}

// Release gives everything back. Releasing twice is harmless.
func (g *Grant) Release() {
	g.allocator.mu.Lock()
	defer g.allocator.mu.Unlock()
	g.give()
	g.allocator.serve()
}

func (g *Grant) give() { g.released.Do(func() { g.book(-1) }) }

// book takes (1) what is lent out of what is free, or puts it back (-1).
func (g *Grant) book(sign int) {
	a := g.allocator
	a.cpus -= sign * g.need.cpus
	a.ram -= int64(sign) * g.need.ram
	a.hdd -= int64(sign) * g.need.hdd
	for _, s := range g.shares {
		a.cards[s.card].slots -= sign * s.slots
		a.cards[s.card].memory -= int64(sign) * s.memory
	}
}

func (g *Grant) describe() {
	if len(g.shares) == 0 {
		return
	}
	p := g.allocator.pool
	if g.allocator.virtual {
		g.Note = fmt.Sprintf("This executor has no GPU although its pool %s lists GPUs, so that the experiment runs without one; ask the cluster's owner to look at the node's GPU driver.", p.Name)
		return
	}
	parts := 0
	for _, s := range g.shares {
		d := g.allocator.cards[s.card].Device
		g.UUIDs = append(g.UUIDs, d.UUID)
		if d.Card != "" {
			parts++
		}
	}
	if parts > 1 { // NVIDIA's MIG user guide, "CUDA Device Enumeration"
		g.Note = fmt.Sprintf("The experiment has %d MIG devices, of which CUDA shows one process only the first; start a process for each, with CUDA_VISIBLE_DEVICES set to one of them.", len(g.UUIDs))
	}
}
