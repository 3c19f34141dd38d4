package program

import (
	"bytes"
	"io"
	"sync"
)

// longestLine bounds what is kept of a line without an end.
const longestLine = 1 << 20

// lines passes whole lines on, so that the output of several programs can share one place.
type lines struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte
	last string
}

// Write never fails: a program must not end because its log cannot be written.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 && len(l.rest) > longestLine {
		end = len(l.rest)
	}
	if end > 0 {
		l.pass(l.rest[:end])
		l.rest = append(l.rest[:0], l.rest[end:]...)
	}
	return len(p), nil
}

func (l *lines) pass(whole []byte) {
	_, _ = l.w.Write(whole) // see Write
	trimmed := bytes.TrimSpace(whole)
	l.last = string(trimmed[bytes.LastIndexByte(trimmed, '\n')+1:])
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.pass(append(l.rest, '\n'))
		l.rest = nil
	}
}

func (l *lines) latest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
