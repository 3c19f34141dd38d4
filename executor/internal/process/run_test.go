package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProgramGetsExactlyItsArgumentsFolderAndEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := Spec{
		Argv: []string{"/bin/sh", "-c", `pwd; printf '<%s>' "$@"; echo; tr '\0' '\n' </proc/self/environ`, "sh", "a b", "$HOME", "", "*\xff"},
		Dir:  dir,
		Env:  []string{"A=1", "NOT=\xff utf-8"},
	}
	got, r := outputOf(t, s)
	want := dir + "\n<a b><$HOME><><*\xff>\nA=1\nNOT=\xff utf-8\n"
	// sh exports PWD to what it starts, so compare the lines that we gave.
	for line := range strings.Lines(want) {
		if !strings.Contains(got, line) {
			t.Errorf("output %q lacks %q", got, line)
		}
	}
	if n := strings.Count(got, "="); n > 3 {
		t.Errorf("environment holds more than A, NOT and PWD: %q", got)
	}
	if r.ExitCode != 0 || r.Signal != 0 || r.Cause != nil || r.Ended.Before(r.Started) {
		t.Errorf("Result = %+v", r)
	}
}

func TestEnvironmentIsEmptyWhenNoneIsGiven(t *testing.T) {
	t.Parallel()
	if got, _ := outputOf(t, Spec{Argv: []string{"/usr/bin/env"}}); got != "" {
		t.Errorf("environment %q", got)
	}
}

func TestExitCodesAndSignalsAreTold(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]Result{
		"exit 0":          {},
		"exit 127":        {ExitCode: 127},
		"kill -SEGV $$":   {ExitCode: 139, Signal: syscall.SIGSEGV},
		"kill -KILL $$":   {ExitCode: 137, Signal: syscall.SIGKILL},
		"exit 3 >&2 2>&-": {ExitCode: 3},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			_, r := outputOf(t, shell(script))
			if r.ExitCode != want.ExitCode || r.Signal != want.Signal || r.Cause != nil {
				t.Errorf("Result = %+v, want %+v", r, want)
			}
		})
	}
}

func TestStdoutAndStderrKeepTheirOrder(t *testing.T) {
	t.Parallel()
	got, _ := outputOf(t, shell(`i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done`))
	var want strings.Builder
	for i := range 500 {
		n := strconv.Itoa(i)
		want.WriteString("o" + n + "\ne" + n + "\n")
	}
	if got != want.String() {
		t.Errorf("output out of order: %.200q", got)
	}
}

func TestOutputComesWhileTheProgramRuns(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r := background(t, shell(`printf half; read line <"$1"; echo $line`, fifo))
	r.says(t, "half")
	if err := os.WriteFile(fifo, []byte("whole\n"), 0); err != nil {
		t.Fatal(err)
	}
	if r.end(t); r.out.String() != "halfwhole\n" {
		t.Errorf("output %q", r.out)
	}
}

func TestHugeAndBinaryOutputArrivesWhole(t *testing.T) {
	t.Parallel()
	data := make([]byte, 16<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for name, body := range map[string][]byte{"binary": data, "one line": bytes.Repeat([]byte("x"), 16<<20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "data")
			if err := os.WriteFile(file, body, 0o600); err != nil {
				t.Fatal(err)
			}
			got, _ := outputOf(t, Spec{Argv: []string{"/bin/cat", file}})
			if sha256.Sum256([]byte(got)) != sha256.Sum256(body) {
				t.Errorf("%d bytes arrived otherwise than they were written (%d)", len(got), len(body))
			}
		})
	}
}

func TestCancellationSendsTermThenKill(t *testing.T) {
	t.Parallel()
	why := errors.New("the node goes away")
	t.Run("a program that listens ends in its own way", func(t *testing.T) {
		t.Parallel()
		r := background(t, shell(`trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 1; done`))
		r.says(t, "ready")
		r.cancel(why)
		if got := r.end(t); got.ExitCode != 7 || got.Signal != 0 || !errors.Is(got.Cause, why) || !strings.Contains(r.out.String(), "bye") {
			t.Errorf("Result = %+v, output %q", got, r.out)
		}
	})
	t.Run("a deaf program is killed after the grace", func(t *testing.T) {
		t.Parallel()
		s := shell(`trap '' TERM; echo ready; while :; do sleep 1; done`)
		s.Grace = 50 * time.Millisecond
		r := background(t, s)
		r.says(t, "ready")
		r.cancel(why)
		if got := r.end(t); got.ExitCode != 137 || got.Signal != syscall.SIGKILL || !errors.Is(got.Cause, why) {
			t.Errorf("Result = %+v", got)
		}
	})
	t.Run("a grace is cut short where there is less time", func(t *testing.T) {
		t.Parallel()
		s := shell(`trap '' TERM; echo ready; while :; do sleep 1; done`)
		s.Grace, s.Hurry = time.Hour, func() time.Duration { return 50 * time.Millisecond }
		r := background(t, s)
		r.says(t, "ready")
		r.cancel(why)
		if got := r.end(t); got.Signal != syscall.SIGKILL || !errors.Is(got.Cause, why) {
			t.Errorf("Result = %+v", got)
		}
	})
	t.Run("the group hears it too", func(t *testing.T) {
		t.Parallel()
		r := background(t, shell(`(trap 'echo child heard; exit' TERM; echo ready; while :; do sleep 1; done) & trap : TERM; wait; wait`))
		r.says(t, "ready")
		r.cancel(why)
		if r.end(t); !strings.Contains(r.out.String(), "child heard") {
			t.Errorf("output %q", r.out)
		}
	})
}

func TestProgramIsNotStartedUnderAnEndedContext(t *testing.T) {
	t.Parallel()
	why := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := Run(ctx, shell("exit 0")); !errors.Is(err, ErrStart) || !errors.Is(err, why) {
		t.Errorf("Run = %v", err)
	}
}

func TestGrandchildrenThatHoldTheOutputDoNotKeepRun(t *testing.T) {
	t.Parallel()
	r := background(t, shell(`sleep 1000 & echo $!; exit 0`))
	r.says(t, "\n")
	r.end(t)
	pid := strings.TrimSpace(r.out.String())
	if cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && bytes.HasPrefix(cmdline, []byte("sleep")) {
		t.Errorf("process %s of the program's group still runs", pid)
	}
}

func TestRunawayWithItsOwnSessionDoesNotKeepRun(t *testing.T) {
	t.Parallel()
	r := background(t, shell(`setsid sh -c 'echo $$; echo >"$1"; exec sleep 1000' sh "$1" & until [ -s "$1" ]; do :; done; exit 4`, filepath.Join(t.TempDir(), "away")))
	if got := r.end(t); got.ExitCode != 4 {
		t.Errorf("Result = %+v", got)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(r.out.String()))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL) // out of reach without a user of its own
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestFailedWriteEndsTheProgram(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for name, script := range map[string]string{
		"a program that goes on": `while :; do echo more; done`,
		"its last words":         `echo last`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shell(script)
			s.Output = brokenWriter{full}
			if r, err := Run(t.Context(), s); err != nil || !errors.Is(r.Cause, full) {
				t.Errorf("Run = %+v, %v", r, err)
			}
		})
	}
}

func TestStartErrorsAreSentences(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain, lost, junk := write("plain", "hello", 0o644), write("lost", "#!/no/such/python\n", 0o755), write("junk", "\x00\x01", 0o755)
	long := strings.Repeat("x", 4<<20)
	for name, tc := range map[string]struct {
		spec Spec
		want string
		is   error
	}{
		"no program":          {Spec{Argv: []string{"/no/such/program"}}, `the program "/no/such/program" does not exist`, fs.ErrNotExist},
		"a name not on PATH":  {Spec{Argv: []string{"no-such-program"}, Env: []string{"PATH=/bin:."}}, `no folder of PATH has a program "no-such-program"`, fs.ErrNotExist},
		"not executable":      {Spec{Argv: []string{plain}}, "is not a file that user", fs.ErrPermission},
		"a folder":            {Spec{Argv: []string{dir}}, "is not a file that user", fs.ErrPermission},
		"interpreter missing": {Spec{Argv: []string{lost}}, "the interpreter or loader that it names is not", fs.ErrNotExist},
		"no program format":   {Spec{Argv: []string{junk}}, "is not a program for this machine", syscall.ENOEXEC},
		"too long":            {Spec{Argv: []string{"/bin/true", long}}, "too long together", syscall.E2BIG},
		"folder missing":      {Spec{Argv: []string{"/bin/true"}, Dir: "/no/such"}, `its working directory "/no/such" does not exist`, fs.ErrNotExist},
		"folder is a file":    {Spec{Argv: []string{"/bin/true"}, Dir: plain}, "is not a folder", syscall.ENOTDIR},
		"nothing named":       {Spec{}, "no program is named", ErrStart},
		"NUL":                 {Spec{Argv: []string{"/bin/true"}, Env: []string{"A=se\x00cret"}}, "holds a NUL byte", ErrStart},
		"root":                {Spec{Argv: []string{"/bin/true"}, User: &User{}}, "do not run as root", ErrStart},
		"own without a user":  {Spec{Argv: []string{"/bin/true"}, OwnUID: true}, "OwnUID needs a User", ErrStart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tc.spec.Output = &out
			_, err := Run(t.Context(), tc.spec)
			if !errors.Is(err, ErrStart) || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Run = %.300v, want %q", err, tc.want)
			}
			if out.Len() > 0 {
				t.Errorf("the launcher wrote %q into the output", &out)
			}
		})
	}
}

func TestBareNameIsFoundOnTheProgramsOwnPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, _ := outputOf(t, Spec{Argv: []string{"hello"}, Env: []string{"PATH=/bin:" + dir}}); got != "found\n" {
		t.Errorf("output %q", got)
	}
}

func TestKilledExecutorTakesItsProgramWithIt(t *testing.T) {
	t.Parallel()
	user := ""
	if os.Geteuid() == 0 { // the harder case: the kernel forgets the request when the user changes
		user = strconv.FormatUint(uint64(newUser(t).UID), 10)
	}
	executor := exec.CommandContext(t.Context(), os.Args[0], "as-executor", user, `echo "pid $$ end"; exec sleep 1000`)
	out := newWatched()
	executor.Stdout = out
	if err := executor.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := out.await(ctx, "end"); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(out.String())[1])
	if err != nil {
		t.Fatal(err)
	}
	ended := watch(t, pid)
	if err := executor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = executor.Wait()
	ended()
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if _, err := Run(b.Context(), Spec{Argv: []string{"/bin/true"}}); err != nil {
			b.Fatal(err)
		}
	}
}
