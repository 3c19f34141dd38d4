package pyenv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// evictor is told when there may be something to remove.
type evictor struct {
	wake chan struct{}
	over atomic.Bool // more is there than may be, since it is used
}

// grew says that something was built.
func (e *evictor) grew() {
	select {
	case e.wake <- struct{}{}:
	default: // it wakes up anyway
	}
}

// released says that something is not used any more.
func (e *evictor) released() {
	if e.over.Load() {
		e.grew()
	}
}

// Tend removes what was used longest ago while more is there than [Config].Limit: now, and after each build, until ctx is done.
func (m *Manager) Tend(ctx context.Context, log *slog.Logger) {
	if m.cfg.Limit <= 0 {
		return
	}
	for {
		if err := m.evict(ctx, log); err != nil && ctx.Err() == nil {
			log.Warn("cached environments are not removed as they should be", "error", err)
		}
		select {
		case <-m.evictor.wake:
		case <-ctx.Done():
			return
		}
	}
}

// evict measures anew after each round: files are shared by hard links, and what one place of them is given up for frees nothing
// as long as there is another. What cannot be removed keeps nothing else from it.
func (m *Manager) evict(ctx context.Context, log *slog.Logger) error {
	for {
		list, total, err := m.kept(ctx)
		if err != nil {
			return err
		}
		m.evictor.over.Store(total > m.cfg.Limit)
		removed, err := m.evictOldest(list, total)
		if removed == 0 {
			return err
		}
		log.Info("cached environments were removed to make room", "removed", removed, "cached_bytes", total, "cache_limit", m.cfg.Limit)
	}
}

func (m *Manager) evictOldest(list []kept, total int64) (removed int, err error) {
	for _, k := range list {
		if total <= m.cfg.Limit {
			break
		}
		gone, stays := k.remove()
		err = errors.Join(err, stays)
		if gone && k.bytes > 0 { // what is empty must not be removed for ever
			total -= k.bytes
			removed++
		}
	}
	return removed, err
}

// Relieve removes what nobody uses, whatever [Config].Limit allows, until there is enough room: first what was used longest ago.
// It measures nothing, so that it may be called often.
func (m *Manager) Relieve(ctx context.Context, enough func() bool) (removed int, err error) {
	list, err := m.list()
	for _, k := range list {
		if ctx.Err() != nil || enough() {
			break
		}
		gone, stays := k.remove()
		err = errors.Join(err, stays)
		if gone {
			removed++
		}
	}
	return removed, err
}

// remove returns false where somebody uses it, or builds there.
func (k kept) remove() (gone bool, err error) {
	for _, path := range k.locks {
		f, err := tryLock(path, syscall.LOCK_EX)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer func() { _ = f.Close() }() // only locked; there are two at most
	}
	if err := k.clear(); err != nil {
		return false, fmt.Errorf("remove %s from the cache: %w", filepath.Base(k.base), err)
	}
	return true, nil
}
