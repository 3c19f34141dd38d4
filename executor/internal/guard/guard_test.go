package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

func TestMain(m *testing.M) {
	process.LauncherMain()
	ProbeMain()
	os.Exit(m.Run())
}

func TestAServerThatExperimentsReachIsFound(t *testing.T) {
	t.Parallel()
	if err := check(t.Context(), self(t), server(t), user(), time.Second); !errors.Is(err, ErrOpen) {
		t.Errorf("check = %v, want %v", err, ErrOpen)
	}
}

// A server that is late would answer experiments as soon as it is there.
func TestAServerThatAnswersNobodyProvesNothing(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := check(t.Context(), self(t), address, user(), time.Millisecond); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), address) {
		t.Errorf("check = %v, want %v", err, ErrSilent)
	}
}

// The user's try says something only if the executor still gets through after it.
func TestAServerThatGoesWhileItIsTriedProvesNothing(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	probe := held(t, "until [ -e $0.gone ]; do :; done")
	go func() { // the executor's first connection is the last that it takes
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
		}
		_ = errors.Join(l.Close(), os.WriteFile(probe+".gone", nil, 0o644))
	}()
	err = check(t.Context(), probe, l.Addr().String(), user(), time.Second)
	if !errors.Is(err, ErrSilent) {
		t.Errorf("check = %v, want %v", err, ErrSilent)
	}
}

func TestAServerThatAnswersTheExecutorAloneIsGuarded(t *testing.T) {
	t.Parallel()
	if err := check(t.Context(), held(t, ""), server(t), user(), time.Minute); err != nil {
		t.Errorf("check = %v", err)
	}
}

// What could not be tried is not taken for guarded.
func TestAProbeThatCannotRunIsAFault(t *testing.T) {
	t.Parallel()
	for name, program := range map[string]string{"no program": "/nonexistent", "another program": "/bin/true"} {
		if err := check(t.Context(), program, server(t), user(), time.Second); err == nil || errors.Is(err, ErrOpen) {
			t.Errorf("%s: check = %v; want a fault of the probe's", name, err)
		}
	}
}

// user is an experiment's where the test may become one.
func user() *process.User {
	if os.Geteuid() != 0 {
		return &process.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	}
	return &process.User{UID: 720_000, GID: 720_000}
}

// self is this program where any user may run it.
func self(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "guard") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "self")
	if out, err := exec.CommandContext(t.Context(), "install", "-m", "755", os.Args[0], path).CombinedOutput(); err != nil {
		t.Fatalf("copy the test: %v: %s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// held is a probe that is held off, whatever the address, once it has done what it is to do first.
func held(t *testing.T, first string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(self(t)), "held")
	if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s\nexit %d\n", first, refused), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func server(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
