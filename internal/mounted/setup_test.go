package mounted

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mount is a folder as the kubelet keeps it: files are links through ..data to the folder of the current version.
type mount struct {
	dir      string
	versions int
	current  string
}

func newMount(t *testing.T, files map[string]string) *mount {
	t.Helper()
	m := &mount{dir: t.TempDir()}
	if err := m.swap(files); err != nil {
		t.Fatal(err)
	}
	return m
}

// swap does what the kubelet does, in its order: a new folder, the link in one step, the names, the end of the old folder.
func (m *mount) swap(files map[string]string) error {
	m.versions++
	next := fmt.Sprintf("..2026_11_24_01_00_00.%09d", m.versions)
	if err := os.Mkdir(filepath.Join(m.dir, next), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(m.dir, next, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	draft := filepath.Join(m.dir, "..data_tmp")
	if err := errors.Join(os.Symlink(next, draft), os.Rename(draft, filepath.Join(m.dir, mountLink))); err != nil {
		return err
	}
	if err := m.name(files); err != nil || m.current == "" {
		m.current = next
		return err
	}
	old := m.current
	m.current = next
	return os.RemoveAll(filepath.Join(m.dir, old))
}

func (m *mount) name(files map[string]string) error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, kept := files[e.Name()]; !kept && !strings.HasPrefix(e.Name(), "..") {
			err = errors.Join(err, os.Remove(filepath.Join(m.dir, e.Name())))
		}
	}
	for name := range files {
		if link := filepath.Join(m.dir, name); !exists(link) {
			err = errors.Join(err, os.Symlink(filepath.Join(mountLink, name), link))
		}
	}
	return err
}

// text is a value for tests: the names and contents of all files.
type text struct{ content string }

// source is an open Source with a clock to turn.
type source struct {
	*Source[text]
	elapsed time.Duration
	faults  []string
}

func open(t *testing.T, paths ...string) *source {
	t.Helper()
	s := &source{}
	opened, err := Open(paths, build,
		Clock(func() time.Time { return time.Unix(0, 0).Add(s.elapsed) }),
		OnFault(func(err error) { s.faults = append(s.faults, err.Error()) }))
	if err != nil {
		t.Fatal(err)
	}
	s.Source = opened
	return s
}

// build takes a file that begins with "broken" for one at fault: without a last value nothing can be made of it.
func build(places []Place, last *text) (*text, error) {
	var all []string
	for _, p := range places {
		if p.Err != nil {
			return nil, p.Err
		}
		for _, f := range p.Files {
			if f.Err != nil || strings.HasPrefix(string(f.Data), "broken") {
				return last, fmt.Errorf("%s: broken (%w)", f.Path, f.Err)
			}
			all = append(all, f.Name+"="+string(f.Data))
		}
	}
	return &text{strings.Join(all, " ")}, nil
}

// later is the value once the files must have been looked at again.
func (s *source) later() string {
	s.elapsed += recheck
	return s.Get().content
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
