package pyenv

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// hold keeps an environment, or a cache, from being removed.
type hold struct {
	file     *os.File
	released sync.Once
	then     func()
}

func useFile(base string) string { return base + ".use" }

// hold waits for as long as what lies at base is being removed. It may be gone then.
func (m *Manager) hold(ctx context.Context, base string) (*hold, error) {
	if err := makeDirs(filepath.Dir(base)); err != nil {
		return nil, err
	}
	f, err := lock(ctx, useFile(base), syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	h := &hold{file: f, then: m.evictor.released}
	h.touch()
	return h, nil
}

// touch tells other executors of the use, too. Where it cannot, it may be removed a little early.
func (h *hold) touch() {
	now := time.Now()
	_ = os.Chtimes(h.file.Name(), now, now)
}

func (h *hold) release() {
	if h == nil {
		return
	}
	h.released.Do(func() {
		h.touch()
		_ = h.file.Close() // only locked
		h.then()
	})
}
