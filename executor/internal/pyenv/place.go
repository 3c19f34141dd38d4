package pyenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is where one thing is built: base.json is its marker, base.lock its lock, base-<n> the folder that the marker
// names. The folder has its final name from the start, since environments cannot be moved, and a new one at every try:
// a build that outlived its executor writes into its own folder only.
type place struct {
	root string // whose cache and scratch space builds use
	base string
}

type mark struct {
	Dir string `json:"dir"` // its name beside the marker
}

func (p place) marker() string { return p.base + ".json" }

// current returns the folder of the last build that was completed.
func (p place) current() (string, bool) {
	data, err := os.ReadFile(p.marker())
	var m mark
	if err != nil || json.Unmarshal(data, &m) != nil || !strings.HasPrefix(m.Dir, filepath.Base(p.base)+"-") || filepath.Base(m.Dir) != m.Dir {
		return "", false
	}
	dir := filepath.Join(filepath.Dir(p.base), m.Dir)
	info, err := os.Lstat(dir)
	return dir, err == nil && info.IsDir()
}

// make builds at p, unless what another process built meanwhile is usable: then it returns true. What else is there is
// removed first.
func (m *Manager) make(ctx context.Context, p place, usable func(dir string) bool, build func(dir string, b bench) error) (there bool, err error) {
	if err := makeDirs(filepath.Dir(p.base)); err != nil {
		return false, err
	}
	unlock, err := lockFile(ctx, p.base+".lock")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if dir, ok := p.current(); ok && usable(dir) {
		return true, nil
	}
	if err := p.clear(); err != nil {
		return false, fmt.Errorf("remove what a dead build left: %w", err)
	}
	return false, m.fill(ctx, p, build)
}

// clear removes the marker first, so that no marker ever names half of a folder.
func (p place) clear() error {
	if err := os.Remove(p.marker()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(removeAll(p.base+"-"), removeAll(p.scratch()))
}

func (p place) scratch() string { return filepath.Join(p.root, "tmp", filepath.Base(p.base)+"-") }

func (m *Manager) fill(ctx context.Context, p place, build func(dir string, b bench) error) (err error) {
	defer m.evictor.grew() // also by a build that fails: what it downloaded stays in the cache
	cache, err := m.hold(ctx, filepath.Join(p.root, cacheName))
	if err != nil {
		return err
	}
	defer cache.release()
	b, err := m.bench(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	dir, err := b.folder(p.base + "-")
	if err != nil {
		return err
	}
	if err = build(dir, b); err == nil {
		err = m.seal(dir)
	}
	if err == nil {
		err = p.complete(dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// complete puts the marker there, whole or not at all.
func (p place) complete(dir string) error {
	data, err := json.Marshal(mark{Dir: filepath.Base(dir)})
	if err != nil {
		return fmt.Errorf("encode marker: %w", err)
	}
	partial := p.base + ".partial" // ours alone: we hold the lock
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	if err := os.Rename(partial, p.marker()); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

// removeAll removes everything whose path begins with prefix.
func removeAll(prefix string) error {
	paths, err := beginningWith(prefix)
	errs := []error{err}
	for _, path := range paths {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

func beginningWith(prefix string) (paths []string, err error) {
	dir, name := filepath.Split(prefix)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}
