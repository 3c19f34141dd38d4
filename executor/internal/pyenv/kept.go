package pyenv

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// kept is an environment, or a tenant's cache.
type kept struct {
	base    string
	folders []string     // where it lies: an environment with what dead builds have left of it
	locks   []string     // whoever holds all of them is alone with it
	clear   func() error // removes it
	used    int64        // when it was used last, in nanoseconds
	bytes   int64
}

// kept measures what is there, and what everything takes together, Pythons included.
func (m *Manager) kept(ctx context.Context) (list []kept, total int64, err error) {
	list, err = m.list()
	for i := range list {
		list[i].measure(ctx)
		total += list[i].bytes
	}
	return list, total + bytesBelow(ctx, m.managedDir(), cacheName), errors.Join(err, context.Cause(ctx))
}

// list finds what is there, that which was used longest ago first.
func (m *Manager) list() (list []kept, err error) {
	roots, err := os.ReadDir(m.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was asked for yet
	}
	for _, root := range roots {
		if root.IsDir() {
			list = append(list, keptBelow(filepath.Join(m.cfg.Dir, root.Name()))...)
		}
	}
	for i := range list {
		if info, err := os.Stat(useFile(list[i].base)); err == nil {
			list[i].used = info.ModTime().UnixNano()
		}
	}
	slices.SortFunc(list, func(x, y kept) int { return cmp.Compare(x.used, y.used) })
	return list, err
}

// keptBelow passes over what takes no room: the locks of all that was ever built here stay.
func keptBelow(root string) (list []kept) {
	cache := filepath.Join(root, cacheName)
	if entries, err := os.ReadDir(cache); err == nil && len(entries) > 0 {
		list = append(list, kept{base: cache, folders: []string{cache}, locks: []string{useFile(cache)}, clear: func() error { return emptyFolder(cache) }})
	}
	at := map[string]int{}
	files, _ := os.ReadDir(filepath.Join(root, "envs")) // none in the folder of Pythons
	for _, f := range files {
		end := strings.LastIndex(f.Name(), "-") // see place
		if end < 0 || !f.IsDir() {
			continue
		}
		name := f.Name()[:end]
		if _, ok := at[name]; !ok {
			p := place{root: root, base: filepath.Join(root, "envs", name)}
			at[name] = len(list)
			list = append(list, kept{base: p.base, locks: []string{p.base + ".lock", useFile(p.base)}, clear: p.clear})
		}
		k := &list[at[name]]
		k.folders = append(k.folders, filepath.Join(root, "envs", f.Name()))
	}
	return list
}

func (k *kept) measure(ctx context.Context) {
	for _, folder := range k.folders {
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
