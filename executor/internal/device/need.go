package device

import (
	"cmp"
	"slices"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// need is what a request takes out of a pod.
type need struct {
	slots    []int   // of each of its cards, most first
	memory   []int64 // bytes of each of its cards
	cpus     int
	ram, hdd int64
}

// needOf spreads slots evenly over cards that were counted, else over as few cards as hold them, filling one after the
// other so that others find whole cards. Card memory that was not asked for counts as the slots' share of it: two
// programs on one card would otherwise exhaust it.
func needOf(p pool.Pool, r request.Resources) need {
	n := need{cpus: r.CPUs, ram: r.RAM, hdd: r.HDD}
	cards, left := p.Cards(r), p.SlotsNeeded(r)
	for ; cards > 0; cards-- {
		slots := (left + cards - 1) / cards
		if r.GPUCount == 0 {
			slots = min(left, p.GPUSlots)
		}
		left -= slots
		n.slots = append(n.slots, slots)
		n.memory = append(n.memory, cmp.Or(r.GPUMem, p.GPUMem/int64(max(p.GPUSlots, 1))*int64(slots)))
	}
	return n
}

// lent is a card and what is left of it.
type lent struct {
	Device
	slots   int
	memory  int64 // bytes
	retired bool
}

// share is what a grant has of a card.
type share struct {
	card   int
	slots  int
	memory int64
}

// take lends what n needs, or nothing.
func (a *Allocator) take(n need) (*Grant, bool) {
	if n.cpus > a.cpus || n.ram > a.ram || n.hdd > a.hdd {
		return nil, false
	}
	shares, ok := a.place(n)
	if !ok {
		return nil, false
	}
	g := &Grant{allocator: a, need: n, shares: shares}
	g.book(1)
	g.describe()
	return g, true
}

// place chooses for each share, largest first, the fullest card that holds it. Since a card that holds a larger share
// holds a smaller one too, this finds a place whenever there is one.
func (a *Allocator) place(n need) ([]share, bool) {
	order := make([]int, len(a.cards))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(a.cards[x].slots, a.cards[y].slots) })
	var shares []share
	for i, slots := range n.slots {
		at := slices.IndexFunc(order, func(card int) bool {
			c := a.cards[card]
			return !c.retired && c.slots >= slots && c.memory >= n.memory[i]
		})
		if at < 0 {
			return nil, false
		}
		shares = append(shares, share{card: order[at], slots: slots, memory: n.memory[i]})
		order = slices.Delete(order, at, at+1)
	}
	slices.SortFunc(shares, func(x, y share) int { return cmp.Compare(x.card, y.card) })
	return shares, true
}
