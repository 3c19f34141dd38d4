package rabbit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// tailSize is how much of the broker's log an error may quote.
const tailSize = 2 << 10

var errPortTaken = errors.New("a port was taken by another process")

// A lockedWriter lets several processes write one log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// A tail passes a log on and keeps its end.
type tail struct {
	w     io.Writer
	mu    sync.Mutex
	last  []byte
	taken bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.last = append(t.last, p...)
	t.taken = t.taken || bytes.Contains(t.last, []byte("eaddrinuse"))
	t.last = t.last[max(0, len(t.last)-tailSize):]
	t.mu.Unlock()
	return t.w.Write(p)
}

// explain adds to the error of a start what the broker said last.
func (t *tail) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	if len(t.last) == 0 || !errors.Is(err, errNotReady) {
		return err
	}
	return fmt.Errorf("%w; its last words: %s", err, bytes.TrimSpace(t.last))
}
