package child_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/child"
)

// TestMain is a parent too, when ROLE is set: it starts a child, says so and lives until it is killed.
func TestMain(m *testing.M) {
	if os.Getenv("ROLE") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	cmd := exec.CommandContext(context.Background(), "sleep", "1000")
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	if _, err := child.Start(cmd); err != nil {
		panic(err)
	}
	fmt.Println("started")
	select {}
}

// pipe returns a pipe whose reader sees the end when nobody holds the writer any more.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, w
}

func awaitEnd(t *testing.T, r *os.File) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("somebody still lives: %v", err)
	}
}

func TestChildDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	parent := exec.CommandContext(t.Context(), self)
	parent.Env, parent.ExtraFiles = []string{"ROLE=parent", "PATH=/usr/bin:/bin"}, []*os.File{w}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if _, err := io.ReadFull(out, make([]byte, len("started\n"))); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, r)
	_ = parent.Wait() // killed
}

func TestStopTakesDescendantsAlong(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*child.Process) error{
		"stop":            func(p *child.Process) error { return p.Stop(time.Minute) },
		"kill":            (*child.Process).Kill,
		"stop and killed": func(p *child.Process) error { return p.Stop(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := pipe(t)
			saysR, saysW := pipe(t)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "setsid sleep 1000 & echo x >&4; wait")
			cmd.ExtraFiles = []*os.File{w, saysW}
			p, err := child.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Close(), saysW.Close()
			if _, err := io.ReadFull(saysR, make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // twice is harmless
				if err := stop(p); err != nil {
					t.Error(err)
				}
			}
			awaitEnd(t, r)
			if err := syscall.Kill(p.PID(), 0); err == nil {
				t.Error("the process is still there")
			}
		})
	}
}

func TestMissingProgramIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := child.Start(exec.CommandContext(t.Context(), t.TempDir()+"/none")); err == nil {
		t.Error("started nothing")
	}
}
