package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// sweepWait bounds the wait for killed descendants to vanish; the kernel needs milliseconds.
const sweepWait = 5 * time.Second

// outputWait bounds the wait for output that descendants keep open after the child's own end.
const outputWait = 2 * time.Second

// A Process is a child that was started and has not outlived this process. Its methods may be called at any time, by
// several goroutines, also after its end.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts cmd, whose SysProcAttr it sets.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = attributes()
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = outputWait
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// run keeps its thread until the child's end: the kernel takes the end of the starting thread for the parent's death.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil // a descendant kept the output open; the child itself ended well
	}
	close(p.done)
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the process has ended and was waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err tells how the process ended, nil meaning status 0. It is to be called after [Process.Done].
func (p *Process) Err() error { return p.err }

// Kill ends the process and its descendants with SIGKILL and waits for them.
func (p *Process) Kill() error {
	return p.end(syscall.SIGKILL, outputWait)
}

// Stop ends the process with SIGTERM, or with SIGKILL after grace, and waits. Descendants that are left are killed.
func (p *Process) Stop(grace time.Duration) error {
	return p.end(syscall.SIGTERM, grace)
}

func (p *Process) end(sig syscall.Signal, grace time.Duration) error {
	family := descendants(p.PID())
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.signal(sig); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		family = append(family, descendants(p.PID())...)
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-p.done
	}
	return sweep(family)
}

func (p *Process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", p.PID(), err)
	}
	return nil
}

// sweep kills what is left of a family and waits until nothing is.
func sweep(family []member) error {
	deadline := time.Now().Add(sweepWait)
	for _, m := range family {
		for m.alive() {
			if err := m.kill(); err != nil {
				return fmt.Errorf("kill process %d: %w", m.pid, err)
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("kill process %d: still there after %s", m.pid, sweepWait)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}
