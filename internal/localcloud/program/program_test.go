package program_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/program"
)

// TestMain is the program too, when ROLE is set.
func TestMain(m *testing.M) {
	switch os.Getenv("ROLE") {
	case "":
		goleak.VerifyTestMain(m)
	case "serve":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("up", len(os.Environ()))
		<-stop
		fmt.Print("down")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		select {}
	case "faulty":
		fmt.Fprintln(os.Stderr, "POOLS is empty")
		os.Exit(1)
	}
}

type bench struct {
	*program.Program
	out *bufio.Scanner
}

func setup(t *testing.T, role string, grace time.Duration) bench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	p, err := program.Start(program.Spec{
		Name: role, Path: self, Dir: t.TempDir(), Env: []string{"ROLE=" + role}, Output: w, Grace: grace,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		go func() { _, _ = io.Copy(io.Discard, r) }()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		_ = w.Close()
	})
	return bench{Program: p, out: bufio.NewScanner(r)}
}

func (b bench) expect(t *testing.T, want string) {
	t.Helper()
	if !b.out.Scan() || b.out.Text() != want {
		t.Fatalf("line %q; want %q", b.out.Text(), want)
	}
}

func TestKilledProgramIsStartedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "serve", time.Second)
	b.expect(t, "up 1") // and nothing of this process's environment
	first := b.PID()
	_, died := b.Deaths()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	<-died
	b.expect(t, "up 1")
	if n, _ := b.Deaths(); n != 1 || b.PID() == first {
		t.Errorf("%d deaths, process %d after %d; want another one", n, b.PID(), first)
	}
}

func TestStoppedProgramEndsByItselfAndStaysEnded(t *testing.T) {
	t.Parallel()
	b := setup(t, "serve", time.Minute)
	b.expect(t, "up 1")
	ended := make(chan error, 1)
	go func() { ended <- b.Stop() }()
	b.expect(t, "down")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, _ := b.Deaths(); n != 0 {
		t.Errorf("%d deaths; want none", n)
	}
	if err := syscall.Kill(b.PID(), 0); err == nil {
		t.Error("the process is still there")
	}
}

func TestStubbornProgramIsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()
	b := setup(t, "stubborn", 100*time.Millisecond)
	b.expect(t, "up")
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(b.PID(), 0); err == nil {
		t.Error("the process is still there")
	}
}

func TestFaultyProgramTellsWhyItEnded(t *testing.T) {
	t.Parallel()
	b := setup(t, "faulty", time.Second)
	b.expect(t, "POOLS is empty")
	b.expect(t, "POOLS is empty") // it is tried again
	if got := b.LastLine(); got != "POOLS is empty" {
		t.Errorf("last line = %q", got)
	}
}

func TestMissingProgramIsAnError(t *testing.T) {
	t.Parallel()
	_, err := program.Start(program.Spec{Name: "bridge", Path: t.TempDir() + "/bridge"})
	if err == nil || !strings.Contains(err.Error(), "bridge") {
		t.Errorf("Start = %v; want an error that names it", err)
	}
}
