package worker

import (
	"context"
	"slices"
	"sync"
	"time"
)

// attempts is which run, the cards that went bad, and the folders of attempts that were kept, with the time.
type attempts struct {
	mu    sync.Mutex
	stops map[*attempt]*stopper
	bad   map[string]bool
	kept  map[string]time.Time
}

type stopper struct {
	stop  context.CancelCauseFunc
	open  bool // there is somewhere to say why it ends
	ended bool // it was ended for the disk, or has come to its end by itself
}

// running is an attempt that runs, or has ended and is being saved.
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

// opened says that a has an output now.
func (r *attempts) opened(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stops[a]; s != nil {
		s.open = true
	}
}

// settles says that a has come to its end: to stop it would free nothing earlier.
func (r *attempts) settles(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stops[a]; s != nil {
		s.ended = true
	}
}

// end stops an attempt that still runs, and remembers that. It fails with the fault, if there is one and it can be said: an
// attempt without an output would take it for the refusal of that.
func (r *attempts) end(a *attempt, cause error, fault *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stops[a]
	if s == nil || s.ended {
		return
	}
	s.ended = true
	if fault != nil && s.open {
		cause = fault
	}
	s.stop(cause)
}

// keep remembers since when the folder of an attempt that has ended is kept.
func (r *attempts) keep(root string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[string]time.Time{}
	}
	r.kept[root] = at
}

func (r *attempts) keptSince(root string) (at time.Time, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, kept = r.kept[root]
	return at, kept
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
