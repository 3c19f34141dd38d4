package mounted

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// promise is how old what is known of the files may be at most: the wire format's ten seconds for keys.
	promise = 10 * time.Second
	// recheck is when they are looked at again. In between, one caller looks and the others go on with what there is.
	recheck = promise / 2
)

// Build makes a value of the places, in the order of their paths. last is what there was before, nil at first. It returns what
// is to be used from now on, nil for nothing at all, with what is wrong with the files, each by its name.
type Build[T any] func(places []Place, last *T) (*T, error)

// Source is a value that is made anew when the files change that it is made of.
type Source[T any] struct {
	paths  []string
	build  Build[T]
	report func(error)
	now    func() time.Time
	read   func(paths []string) ([]Place, [sha256.Size]byte, error)

	held     atomic.Pointer[held[T]]
	mu       sync.Mutex // of whoever looks at the files
	seen     [sha256.Size]byte
	unstable bool // the last look found no two readings alike, which is reported
}

type held[T any] struct {
	value   *T
	checked time.Time
}

// Option changes how a [Source] works.
type Option func(*options)

type options struct {
	report func(error)
	now    func() time.Time
}

// OnFault gives a function that is told, once for each version of the files, what is wrong with them. It is called during [Open]
// and [Source.Get] and must not call back.
func OnFault(report func(error)) Option { return func(o *options) { o.report = report } }

// Clock replaces time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Open reads the places for the first time. It fails if nothing can be made of them, and reports what else is wrong.
func Open[T any](paths []string, build Build[T], with ...Option) (*Source[T], error) {
	o := options{report: func(error) {}, now: time.Now}
	for _, option := range with {
		option(&o)
	}
	s := &Source[T]{paths: paths, build: build, report: o.report, now: o.now, read: read}
	began := s.now()
	places, seen, err := read(paths)
	if err != nil {
		return nil, err
	}
	value, err := build(places, nil)
	if value == nil {
		return nil, err
	}
	s.seen = seen
	s.held.Store(&held[T]{value, began})
	if err != nil {
		s.report(err)
	}
	return s, nil
}

// Get returns the value as the files have it, or had it less than ten seconds ago.
func (s *Source[T]) Get() *T {
	h := s.held.Load()
	switch age := s.now().Sub(h.checked); {
	case age < recheck:
		return h.value
	case age >= promise:
		s.mu.Lock()
	case !s.mu.TryLock(): // making it may take seconds, where a passphrase is tried
		return h.value
	}
	defer s.mu.Unlock()
	h = s.held.Load()
	if began := s.now(); began.Sub(h.checked) >= recheck {
		h = s.refresh(h, began)
	}
	return h.value
}

// refresh looks at the files. What keeps changing is looked at again by the next caller.
func (s *Source[T]) refresh(last *held[T], began time.Time) *held[T] {
	places, seen, err := s.read(s.paths)
	if err != nil {
		if !s.unstable {
			s.report(fmt.Errorf("%w; what was read before is still used", err))
		}
		s.unstable = true
		return last
	}
	s.unstable = false
	next := &held[T]{last.value, began}
	if seen != s.seen {
		value, err := s.build(places, last.value)
		if value != nil {
			next.value = value
		}
		s.seen = seen
		if err != nil {
			s.report(err)
		}
	}
	s.held.Store(next)
	return next
}
