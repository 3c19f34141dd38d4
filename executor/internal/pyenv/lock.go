package pyenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a held lock is asked for: builds take seconds, and a waiting flock(2) could not be cancelled.
const lockPoll = 50 * time.Millisecond

// lockFile takes the lock and returns what gives it back. The kernel gives it back when the process dies. The file stays:
// removing it would let two builds hold a lock each.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := lock(ctx, path, syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}

// lock takes an exclusive or a shared lock.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		f, err := tryLock(path, how)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another build: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// tryLock fails with EWOULDBLOCK where the lock is held.
func tryLock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the path is made of our folder and a hash
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}
