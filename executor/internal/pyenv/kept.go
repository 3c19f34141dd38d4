package pyenv

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// kept is an environment, or a tenant's cache.
type kept struct {
	base  string
	locks []string     // whoever holds all of them is alone with it
	clear func() error // removes it
	used  int64        // when it was used last, in nanoseconds
	bytes int64
}

// kept lists what is there, and what everything takes together, Pythons included.
func (m *Manager) kept(ctx context.Context) (list []kept, total int64, err error) {
	roots, err := os.ReadDir(m.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil // nothing was asked for yet
	}
	for _, root := range roots {
		if root.IsDir() {
			list = append(list, keptBelow(filepath.Join(m.cfg.Dir, root.Name()))...)
		}
	}
	for i := range list {
		list[i].measure(ctx)
		total += list[i].bytes
	}
	return list, total + bytesBelow(ctx, m.managedDir(), cacheName), errors.Join(err, context.Cause(ctx))
}

func keptBelow(root string) []kept {
	cache := filepath.Join(root, cacheName)
	list := []kept{{base: cache, locks: []string{useFile(cache)}, clear: func() error { return emptyFolder(cache) }}}
	files, _ := os.ReadDir(filepath.Join(root, "envs")) // none in the folder of Pythons
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".lock"); ok {
			p := place{root: root, base: filepath.Join(root, "envs", name)}
			list = append(list, kept{base: p.base, locks: []string{p.base + ".lock", useFile(p.base)}, clear: p.clear})
		}
	}
	return list
}

// measure counts what dead builds have left, too.
func (k *kept) measure(ctx context.Context) {
	if info, err := os.Stat(useFile(k.base)); err == nil {
		k.used = info.ModTime().UnixNano()
	}
	if filepath.Base(k.base) == cacheName {
		k.bytes = bytesBelow(ctx, k.base, "")
		return
	}
	folders, _ := beginningWith(k.base + "-") // what went away takes nothing
	for _, folder := range folders {
		k.bytes += bytesBelow(ctx, folder, "")
	}
}

// emptyFolder leaves the folder itself, which remembers its tenant's group.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// bytesBelow is what lies in the folder, but for what lies in a folder of that name directly below it. A file of several names
// counts in parts, so that the sum over all its places is right. What cannot be looked at is gone, and counts nothing.
func bytesBelow(ctx context.Context, dir, but string) (sum int64) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil || path == dir:
			return nil //nolint:nilerr // it went away
		case but != "" && path == filepath.Join(dir, but):
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			parts := int64(1)
			if info.Mode().IsRegular() {
				parts = max(int64(st.Nlink), 1) //nolint:gosec // far fewer than that
			}
			sum += st.Blocks * 512 / parts // the unit of stat(2)
		}
		return nil
	})
	return sum
}
