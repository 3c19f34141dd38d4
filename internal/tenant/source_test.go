package tenant

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// source is an open Source with a clock to turn and a file to write.
type source struct {
	*Source
	t       *testing.T
	path    string
	elapsed time.Duration
	faults  []string
}

func open(t *testing.T, content []byte) *source {
	t.Helper()
	s := &source{t: t, path: filepath.Join(t.TempDir(), "tenants.json")}
	s.write(content)
	opened, err := Open(s.path,
		Clock(func() time.Time { return time.Unix(0, 0).Add(s.elapsed) }),
		OnFault(func(err error) { s.faults = append(s.faults, err.Error()) }))
	if err != nil {
		t.Fatal(err)
	}
	s.Source = opened
	return s
}

// write puts a new file in the old one's place.
func (s *source) write(content []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path+".new", content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		s.t.Fatal(err)
	}
}

// later is the store of rmq_x once the file must have been looked at again.
func (s *source) later() string {
	s.elapsed += 10 * time.Second
	tenant, _ := s.Tenants().Lookup("rmq_x")
	return tenant.Store
}

func TestAChangeIsSeenWithinTenSeconds(t *testing.T) {
	t.Parallel()
	s := open(t, file(entryOf("rmq_", "a", "")))
	s.write(file(entryOf("rmq_", "b", "")))
	if got := s.later(); got != "b-store" || len(s.faults) > 0 {
		t.Errorf("the change was not seen: %s, %v", got, s.faults)
	}
}

func TestTheLastGoodSetStaysWhileTheFileIsBroken(t *testing.T) {
	t.Parallel()
	s := open(t, file(entryOf("rmq_", "a", "")))
	s.write([]byte(`{"tenants":`))
	if got := s.later(); got != "a-store" || len(s.faults) != 1 {
		t.Errorf("broken: %s, %v", got, s.faults)
	}
	if got := s.later(); got != "a-store" || len(s.faults) != 1 {
		t.Errorf("still broken: %s, %v", got, s.faults)
	}
	s.write(file(entryOf("rmq_", "b", "")))
	if got := s.later(); got != "b-store" || len(s.faults) != 1 {
		t.Errorf("mended: %s, %v", got, s.faults)
	}
}

func TestTheLastGoodSetStaysWhileTheFileIsAway(t *testing.T) {
	t.Parallel()
	content := file(entryOf("rmq_", "a", ""))
	s := open(t, content)
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.later(); got != "a-store" || len(s.faults) != 1 {
			t.Errorf("away: %s, %v", got, s.faults)
		}
	}
	s.write(content)
	if got := s.later(); got != "a-store" || len(s.faults) != 1 {
		t.Errorf("back: %s, %v", got, s.faults)
	}
}

func TestAnEntryThatBreaksIsRefusedFromThenOn(t *testing.T) {
	t.Parallel()
	s := open(t, file(entryOf("rmq_", "a", ""), entryOf("rmq_x", "x", "")))
	s.write(file(entryOf("rmq_", "a", ""), entryOf("rmq_x", "x", `,"signing_keys":["?"]`)))
	if got := s.later(); got != "" || len(s.faults) != 1 || !strings.Contains(s.faults[0], "signing_keys[0]") {
		t.Errorf("%q, %v", got, s.faults)
	}
	if _, ok := s.Tenants().Lookup("rmq_y"); !ok {
		t.Error("the sound entry does not work")
	}
}

func TestOpenNeedsAUsableSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tenants.json")
	if _, err := Open(path); err == nil {
		t.Error("no file, no error")
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil {
		t.Error("no tenants, no error")
	}
	s := open(t, file(entryOf("rmq_", "a", ""), `{"prefix":"rmq_x"}`))
	if len(s.faults) != 1 {
		t.Errorf("faults at the start: %v", s.faults)
	}
}

func TestTenantsMayBeAskedByMany(t *testing.T) {
	t.Parallel()
	s := open(t, file(entryOf("rmq_", "a", "")))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				s.Tenants().Lookup("rmq_x")
			}
		})
	}
	all.Wait()
}
