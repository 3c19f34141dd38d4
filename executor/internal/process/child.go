package process

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// child is the launcher and, after its execve, the program: one process, leader of its own session and group.
type child struct {
	cmd      *exec.Cmd
	settings *os.File // to the launcher
	report   *os.File // from the launcher; closed by its execve
}

// start starts the launcher. It waits for its settings.
func start(ctx context.Context, s Spec, out *output) (*child, error) {
	settingsIn, settings, err := os.Pipe()
	if err != nil {
		return nil, notStarted(err)
	}
	defer closeAll(settingsIn)
	report, reportOut, err := os.Pipe()
	if err != nil {
		closeAll(settings)
		return nil, notStarted(err)
	}
	defer closeAll(reportOut)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe") // ended by guard: its group, not it alone
	cmd.Args = []string{launcherName}
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out.in, out.in
	cmd.ExtraFiles = []*os.File{settingsIn, reportOut}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		closeAll(settings, report)
		return nil, fmt.Errorf("%w: start the launcher: %w", ErrStart, err)
	}
	closeAll(out.in)
	return &child{cmd: cmd, settings: settings, report: report}, nil
}

// handOver gives the launcher its settings through a pipe, where no other process can read them, and returns nil once it
// has become the program.
func (c *child) handOver(s Spec) error {
	defer closeAll(c.report)
	sendErr := gob.NewEncoder(c.settings).Encode(settings{
		Parent: os.Getpid(), Argv: s.Argv, Env: s.Env, Dir: s.Dir, User: s.User, Limits: s.Limits, Umask: s.Umask,
	})
	closeAll(c.settings)
	text, err := io.ReadAll(c.report)
	if err != nil {
		return notStarted(err)
	}
	return outcome(text, sendErr)
}

// await returns when the process has ended. It is not reaped, so its process id is still its own.
func (c *child) await() error {
	for {
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("waitid", err)
		}
	}
}

// signalGroup may only be called before the process is reaped. A group that has ended already is fine.
func (c *child) signalGroup(sig syscall.Signal) { _ = syscall.Kill(-c.cmd.Process.Pid, sig) }

// ending tells the exit code and the signal of the reaped process.
func (c *child) ending() (int, syscall.Signal) {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), status.Signal()
	}
	return c.cmd.ProcessState.ExitCode(), 0
}

// closeAll closes ends of pipes, of which nothing can be lost.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
