//go:build integration && linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// interruptible is a studioctl whose folders and processes can be told from all others.
type interruptible struct {
	t    *testing.T
	dir  string // everything of it lies here or names it
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
}

func (i *interruptible) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.Write(p)
}

func (i *interruptible) said() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.String()
}

// begin starts studioctl in the foreground of a terminal, as it were: Ctrl-C reaches all of its process group.
func begin(t *testing.T, args ...string) *interruptible {
	t.Helper()
	dir, err := os.MkdirTemp("", "studio-interrupt-") //nolint:usetesting // t.TempDir lies in a folder that the users of experiments may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	i := &interruptible{t: t, dir: dir, done: make(chan struct{})}
	for name, mode := range map[string]os.FileMode{"": 0o711, "bin": 0o755, "tmp": 0o711, "home": 0o700} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, name), mode), os.Chmod(filepath.Join(dir, name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	i.programs()
	i.cmd = exec.CommandContext(t.Context(), filepath.Join(dir, "bin", "studioctl"), args...)
	i.cmd.Dir, i.cmd.Stdout, i.cmd.Stderr = filepath.Join(dir, "home"), i, i
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	i.cmd.Env = append(os.Environ(), "HOME="+i.cmd.Dir, "TMPDIR="+filepath.Join(dir, "tmp"), "XDG_STATE_HOME="+filepath.Join(dir, "home", "state"))
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(i.done)
		_ = i.cmd.Wait() // its exit code is looked at
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL) // only where the test failed
		<-i.done
	})
	return i
}

// programs puts a studioctl of this code beside the built programs.
func (i *interruptible) programs() {
	i.t.Helper()
	bin := filepath.Join(i.dir, "bin")
	for _, name := range []string{"bridge", "finalize", "executor", "uv"} {
		built, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
		if _, statErr := os.Stat(built); err != nil || statErr != nil {
			i.t.Fatalf("a program is missing, `make build` builds it: %v", errors.Join(err, statErr))
		}
		if err := os.Symlink(built, filepath.Join(bin, name)); err != nil {
			i.t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(i.t.Context(), "go", "build", "-o", filepath.Join(bin, "studioctl"), ".").CombinedOutput(); err != nil {
		i.t.Fatalf("build studioctl: %v\n%s", err, out)
	}
}

// processes lists those that were started in this test: their environment, command line or folder names its folder.
func (i *interruptible) processes() (found []string) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(paths) == 0 {
		i.t.Fatalf("no process can be seen: %v", err)
	}
	for _, path := range paths {
		command, _ := os.ReadFile(filepath.Join(path, "cmdline")) // a process may end at any time
		environ, _ := os.ReadFile(filepath.Join(path, "environ"))
		folder, _ := os.Readlink(filepath.Join(path, "cwd"))
		if strings.Contains(string(command)+string(environ)+folder, i.dir) {
			found = append(found, filepath.Base(path)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}

// until waits for a moment.
func (i *interruptible) until(what string, holds func() bool) {
	i.t.Helper()
	timeout, ticker := time.After(2*time.Minute), time.NewTicker(20*time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-i.done:
			i.t.Fatalf("studioctl ended before %s:\n%s", what, i.said())
		case <-timeout:
			i.t.Fatalf("%s has not come:\n%s", what, i.said())
		}
	}
}

func TestCtrlCLeavesNoProcessAndNoFolder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args   []string
		moment func(*interruptible) bool
	}{
		"while the local cloud starts": {[]string{"local"}, func(i *interruptible) bool { return len(i.processes()) > 4 }},
		"while the demonstration runs": {[]string{"demo"}, func(i *interruptible) bool { return strings.Contains(i.said(), "submitted") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := begin(t, tc.args...)
			i.until("the moment "+name, func() bool { return tc.moment(i) })
			if err := syscall.Kill(-i.cmd.Process.Pid, syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			select {
			case <-i.done:
			case <-time.After(time.Minute):
				t.Fatalf("it has not ended a minute after Ctrl-C; there are %q:\n%s", i.processes(), i.said())
			}
			if code := i.cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(i.said(), "interrupted") {
				t.Errorf("exit code %d; want 130:\n%s", code, i.said())
			}
			if left := i.processes(); len(left) > 0 {
				t.Errorf("processes are left: %q", left)
			}
			left, err := os.ReadDir(filepath.Join(i.dir, "tmp"))
			if err != nil || len(left) > 0 {
				t.Errorf("folders are left: %v, %v", left, err)
			}
			if _, err := os.Stat(filepath.Join(i.dir, "home", "state", "studioctl", "local.json")); err == nil {
				t.Error("the state of the local cloud is left")
			}
		})
	}
}
