package tenant

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// recheck is how long a change of the file may go unseen; the wire format promises ten seconds for keys.
const recheck = 10 * time.Second

// Source is a tenants file that is read again when it changes.
type Source struct {
	path   string
	report func(error)
	now    func() time.Time

	mu      sync.Mutex
	set     *Set
	seen    os.FileInfo // of the version last read, sound or not; nil while the file is away
	checked time.Time
}

// Option changes how a [Source] works.
type Option func(*Source)

// OnFault gives a function that is told, once for each version of the file, what is wrong with it. It is called during
// [Open] and [Source.Tenants] and must not call back.
func OnFault(report func(error)) Option { return func(s *Source) { s.report = report } }

// Clock replaces time.Now.
func Clock(now func() time.Time) Option { return func(s *Source) { s.now = now } }

// Open reads the file. It fails if there is no usable set in it; faults of single entries go to [OnFault] alone.
func Open(path string, options ...Option) (*Source, error) {
	s := &Source{path: path, report: func(error) {}, now: time.Now}
	for _, o := range options {
		o(s)
	}
	s.checked = s.now()
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("find tenants: %w", err)
	}
	set, err := read(path)
	if set == nil {
		return nil, err
	}
	s.set, s.seen = set, info
	if err != nil {
		s.report(err)
	}
	return s, nil
}

// Tenants returns the set as the file had it at most ten seconds ago. A version without a usable set is reported and
// passed over: the last good set stays.
func (s *Source) Tenants() *Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.checked) >= recheck {
		s.checked = now
		s.refresh()
	}
	return s.set
}

func (s *Source) refresh() {
	// The stat comes before the read: a change between the two is then seen the next time.
	info, err := os.Stat(s.path)
	if err != nil {
		if s.seen != nil {
			s.report(fmt.Errorf("find tenants, keeping the last set: %w", err))
		}
		s.seen = nil
		return
	}
	if s.seen != nil && sameVersion(s.seen, info) {
		return
	}
	set, err := read(s.path)
	s.seen = info
	if set != nil {
		s.set = set
	}
	if err != nil {
		s.report(err)
	}
}

// sameVersion tells a file written in place by its time and size, and one put in its place (as Kubernetes does, through
// a link) by its identity.
func sameVersion(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func read(path string) (*Set, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the cluster owner names the file
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	return Parse(data)
}
