package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// Run runs a program to its end and delivers what it writes, stdout and stderr through one pipe and so in order, to
// s.Output as it comes. A write to s.Output that fails ends the program like a cancelled context; what it still writes is
// thrown away.
//
// When ctx ends, the program's group gets SIGTERM and after s.Grace SIGKILL; Result.Cause tells of it. Whatever the
// program left running in its group is killed before Run returns, and of its user with s.OwnUID. A process that got away
// and holds the output open does not keep Run: what it writes after the program's end is lost.
//
// The error is an ErrStart when the program never ran, ErrLeftOver (with a good Result) when something outlived it.
func Run(ctx context.Context, s Spec) (Result, error) {
	s, err := s.complete()
	if err != nil {
		return Result{}, err
	}
	if ctx.Err() != nil {
		return Result{}, notStarted(context.Cause(ctx))
	}
	// PR_SET_PDEATHSIG fires when the thread that forked ends, not the process: this thread stays until the program ended.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out, err := openOutput(s.Output, stop)
	if err != nil {
		return Result{}, notStarted(err)
	}
	c, err := start(ctx, s, out)
	if err != nil {
		_ = out.finish() // nothing was written
		return Result{}, err
	}
	release := c.guard(ctx, s.grace)
	startErr := c.handOver(s)
	r := Result{Started: time.Now()}
	err = c.await()
	r.Ended = time.Now()
	r.Cause = release()
	err = errors.Join(err, c.bury(s))
	r.Cause = cmp.Or(r.Cause, out.finish())
	if startErr != nil {
		return Result{Cause: r.Cause}, errors.Join(because(startErr, r.Cause), err)
	}
	r.ExitCode, r.Signal = c.ending()
	return r, err
}

// grace is how long the program may take to end, now that it is told to.
func (s Spec) grace() time.Duration {
	if s.Hurry == nil {
		return s.Grace
	}
	return min(s.Grace, s.Hurry())
}

func notStarted(err error) error { return fmt.Errorf("%w: %w", ErrStart, err) }

// because adds the cause to the error of a launcher that was ended before it became the program.
func because(err, cause error) error {
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// guard signals the program's group when ctx ends. The function that it returns must be called before the program is
// reaped, while its process id cannot belong to another; it tells the cause if the program was signalled.
func (c *child) guard(ctx context.Context, given func() time.Duration) (release func() error) {
	exited, cause := make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-exited:
			cause <- nil
			return
		case <-ctx.Done():
		}
		grace := given()
		timer := time.NewTimer(max(grace, 0))
		defer timer.Stop()
		if grace > 0 {
			c.signalGroup(syscall.SIGTERM)
		}
		select {
		case <-exited:
		case <-timer.C:
			c.signalGroup(syscall.SIGKILL)
		}
		cause <- context.Cause(ctx)
	}()
	return func() error {
		close(exited)
		return <-cause
	}
}

// bury kills what the program left running and reaps the program.
func (c *child) bury(s Spec) error {
	c.signalGroup(syscall.SIGKILL)
	_ = c.cmd.Wait() // the exit status is no error here
	if !s.OwnUID {
		return nil
	}
	return KillUser(s.User.UID)
}
