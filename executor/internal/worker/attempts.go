package worker

import (
	"context"
	"slices"
	"sync"
)

// attempts is which run, and the cards that went bad.
type attempts struct {
	mu    sync.Mutex
	stops map[*attempt]*stopper
	bad   map[string]bool
}

type stopper struct {
	stop  context.CancelCauseFunc
	ended bool // for the disk
}

// running is an attempt that runs.
type running struct {
	a     *attempt
	ended bool
}

func (r *attempts) add(a *attempt, stop context.CancelCauseFunc) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stops == nil {
		r.stops = map[*attempt]*stopper{}
	}
	r.stops[a] = &stopper{stop: stop}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.stops, a)
	}
}

// on returns what stops the attempts that use a card.
func (r *attempts) on(uuid string) (stops []context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, s := range r.stops {
		if a.grant != nil && slices.Contains(a.grant.UUIDs, uuid) {
			stops = append(stops, s.stop)
		}
	}
	return stops
}

func (r *attempts) all() (list []running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, s := range r.stops {
		list = append(list, running{a: a, ended: s.ended})
	}
	return list
}

// end stops an attempt that still runs, and remembers that.
func (r *attempts) end(a *attempt, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stops[a]; s != nil {
		s.ended = true
		s.stop(cause)
	}
}

// condemned notes a bad card and tells whether that is news.
func (r *attempts) condemned(uuid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad == nil {
		r.bad = map[string]bool{}
	}
	news := !r.bad[uuid]
	r.bad[uuid] = true
	return news
}
