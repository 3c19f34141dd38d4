package pyenv

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// flights lets callers who ask for the same thing at once share one build.
type flights struct {
	mu     sync.Mutex
	flying map[string]*flight
}

type flight struct {
	logs    fanout
	callers int // guarded by flights.mu
	cancel  context.CancelFunc
	done    chan struct{}
	env     Environment // readable once done is closed
	err     error
}

type buildFunc func(ctx context.Context, log io.Writer) (Environment, error)

// join starts fn or takes part in the one that flies. It returns early when ctx ends, but the last caller to leave waits
// until the build that it thereby cancelled has ended.
func (f *flights) join(ctx context.Context, key string, log io.Writer, fn buildFunc) (Environment, error) {
	fl, leaveLog := f.board(ctx, key, log, fn)
	defer leaveLog()
	select {
	case <-fl.done:
		return fl.env, fl.err
	case <-ctx.Done():
		if f.leave(key, fl) {
			<-fl.done
		}
		return Environment{}, fmt.Errorf("wait for environment: %w", context.Cause(ctx))
	}
}

// board lets the log listen before anything is said: who starts a build hears all of it.
func (f *flights) board(ctx context.Context, key string, log io.Writer, fn buildFunc) (fl *flight, leaveLog func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.flying[key]; ok {
		fl.callers++
		return fl, fl.logs.add(log)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the first caller may leave before the others
	fl = &flight{callers: 1, cancel: cancel, done: make(chan struct{})}
	leaveLog = fl.logs.add(log)
	if f.flying == nil {
		f.flying = map[string]*flight{}
	}
	f.flying[key] = fl
	go func() {
		defer cancel()
		fl.env, fl.err = fn(ctx, &fl.logs)
		f.land(key, fl)
	}()
	return fl, leaveLog
}

// leave tells whether the caller was the last.
func (f *flights) leave(key string, fl *flight) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.callers--
	if fl.callers > 0 {
		return false
	}
	fl.cancel()
	f.remove(key, fl) // who comes now must not join a cancelled build
	return true
}

func (f *flights) land(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(key, fl)
	close(fl.done)
}

func (f *flights) remove(key string, fl *flight) {
	if f.flying[key] == fl {
		delete(f.flying, key)
	}
}

// fanout writes to whoever listens at the moment. That one of them fails is not the build's business.
type fanout struct {
	mu      sync.Mutex
	next    int
	writers map[int]io.Writer
}

func (f *fanout) add(w io.Writer) (remove func()) {
	if w == nil {
		return func() {}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writers == nil {
		f.writers = map[int]io.Writer{}
	}
	id := f.next
	f.next++
	f.writers[id] = w
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.writers, id)
	}
}

func (f *fanout) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.writers {
		_, _ = w.Write(p)
	}
	return len(p), nil
}
