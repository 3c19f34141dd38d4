package pyenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Groups of tenants. Debian's policy, 9.2.2, reserves 30000 to 59999, so that no account of the image has one of them;
// and they are below 65536, the size of the usual user namespace.
const (
	firstGroup = 30000
	lastGroup  = 59999
)

// group makes the cache, if it must, and returns the group that it is open to. The folders themselves remember which
// tenant has which group, for all executors that share them.
func (m *Manager) group(ctx context.Context, cache string) (group uint32, err error) {
	if m.cfg.User == nil {
		if err := os.Mkdir(cache, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return 0, fmt.Errorf("make cache: %w", err)
		}
		return 0, nil
	}
	if g, ok := groupOf(cache); ok {
		return g, nil
	}
	unlock, err := lockFile(ctx, filepath.Join(m.cfg.Dir, ".groups.lock"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if g, ok := groupOf(cache); ok {
		return g, nil
	}
	g, err := m.freeGroup()
	if err != nil {
		return 0, err
	}
	if err := os.Mkdir(cache, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("make cache: %w", err)
	}
	return g, lend(cache, g)
}

func groupOf(cache string) (uint32, bool) {
	info, err := os.Lstat(cache)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o770 { // not lent yet
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st.Gid, ok && st.Gid >= firstGroup && st.Gid <= lastGroup
}

func (m *Manager) freeGroup() (uint32, error) {
	taken := map[uint32]bool{m.cfg.User.GID: true}
	if m.cfg.Reader != nil {
		taken[m.cfg.Reader.GID] = true
	}
	roots, err := os.ReadDir(m.cfg.Dir)
	if err != nil {
		return 0, fmt.Errorf("list tenants: %w", err)
	}
	for _, root := range roots {
		if g, ok := groupOf(filepath.Join(m.cfg.Dir, root.Name(), cacheName)); ok {
			taken[g] = true
		}
	}
	for g := uint32(firstGroup); g <= lastGroup; g++ {
		if !taken[g] {
			return g, nil
		}
	}
	return 0, errors.New("no group is left for another tenant's builds")
}
