package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	LauncherMain()
	if code, ok := helperMain(os.Args[1:]); ok {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// shell is a program for tests: a script, run by a shell that the test names itself.
func shell(script string, args ...string) Spec {
	return Spec{
		Argv: append([]string{"/bin/sh", "-c", script, "sh"}, args...),
		Env:  []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
	}
}

// outputOf runs s to its end and returns what it wrote. It must start.
func outputOf(t *testing.T, s Spec) (string, Result) {
	t.Helper()
	var buf bytes.Buffer
	s.Output = &buf
	r, err := Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run(%q) = %v; output %q", s.Argv, err, buf.String())
	}
	return buf.String(), r
}

// asRoot skips what only root can do.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: experiments become another user")
	}
}

// newUser returns a user that nothing else has.
func newUser(t *testing.T) *User {
	t.Helper()
	asRoot(t)
	id := nextUID.Add(1)
	return &User{UID: id, GID: id + 1000}
}

var nextUID = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(710_000)
	return &n
}()

// openFolder returns a folder that every user may enter and write to.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// watched collects output and lets a test wait for words in it.
type watched struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	close(w.changed)
	w.changed = make(chan struct{})
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await returns when words have come.
func (w *watched) await(ctx context.Context, words string) error {
	for {
		w.mu.Lock()
		seen, changed := strings.Contains(w.text.String(), words), w.changed
		w.mu.Unlock()
		if seen {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("no %q in %q: %w", words, w.String(), context.Cause(ctx))
		}
	}
}

// running is a Run in the background.
type running struct {
	out    *watched
	cancel context.CancelCauseFunc
	result chan Result
	err    chan error
}

func background(t *testing.T, s Spec) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &running{out: newWatched(), cancel: cancel, result: make(chan Result, 1), err: make(chan error, 1)}
	s.Output = r.out
	go func() {
		result, err := Run(ctx, s)
		r.result <- result
		r.err <- err
	}()
	return r
}

// says waits for words of the program.
func (r *running) says(t *testing.T, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.out.await(ctx, words); err != nil {
		t.Fatal(err)
	}
}

func (r *running) end(t *testing.T) Result {
	t.Helper()
	result := <-r.result
	if err := <-r.err; err != nil {
		t.Fatalf("Run = %v; output %q", err, r.out)
	}
	return result
}

// watch returns a function that waits for a process's end.
func watch(t *testing.T, pid int) (ended func()) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("open process %d: %v", pid, err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // should the test have failed
		_ = unix.Close(fd)
	})
	return func() {
		t.Helper()
		const ms = 30_000
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
			if err == unix.EINTR {
				continue
			}
			if n != 1 || err != nil {
				t.Fatalf("process %d still runs (%v)", pid, err)
			}
			return
		}
	}
}

// helperMain is what the test binary does when a test starts it as an executor: it runs a script, as a user unless that is
// empty, and tells its output.
func helperMain(args []string) (code int, ok bool) {
	if len(args) < 3 || args[0] != "as-executor" {
		return 0, false
	}
	if err := Conceal(); err != nil {
		return fail(err), true
	}
	s := shell(args[2])
	if id, err := strconv.ParseUint(args[1], 10, 32); err == nil {
		s.User = &User{UID: uint32(id), GID: uint32(id)}
	}
	s.Output = io.Writer(os.Stdout)
	if _, err := Run(context.Background(), s); err != nil {
		return fail(err), true
	}
	return 0, true
}

func fail(err error) int {
	fmt.Println("helper:", err)
	return 1
}
