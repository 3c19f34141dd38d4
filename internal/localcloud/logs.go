package localcloud

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// logFiles write each part's lines into a file of its own, and all of them to one writer.
type logFiles struct {
	dir string
	all io.Writer

	mu    sync.Mutex
	files []*os.File
}

func (l *logFiles) open(name string) (io.Writer, error) {
	file, err := os.OpenFile(filepath.Join(l.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // names of our own
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, file)
	return &log{file: file, shared: l}, nil
}

func (l *logFiles) close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, file := range l.files {
		err = errors.Join(err, file.Close())
	}
	l.files = nil
	return err
}

// A log is one part's.
type log struct {
	file   *os.File
	shared *logFiles
}

// Write reports only what happens to the file: a listener that has left is no reason to lose it.
func (l *log) Write(p []byte) (int, error) {
	n, err := l.file.Write(p)
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	_, _ = l.shared.all.Write(p)
	return n, err
}
