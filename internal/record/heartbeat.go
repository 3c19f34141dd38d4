package record

import (
	"context"
	"errors"
	"fmt"
)

// Beat is what an attempt learns when it shows that it is alive.
type Beat struct {
	Stopped  bool // the client wants the experiment to stop; it still ends by its final output
	Finished bool // the record has this attempt's end already; what comes after output.tar may still be completed
}

// Heartbeat renews the lease of an attempt that still holds its experiment: one read of the record, one write of the lease.
// The error is [ErrSuperseded] if it does not hold it any more; any other error leaves that open.
func (s *Store) Heartbeat(ctx context.Context, c Claim) (Beat, error) {
	beat, err := s.heartbeat(ctx, c)
	if err != nil {
		return Beat{}, fmt.Errorf("heartbeat of %s: %w", c.Ref.Key, err)
	}
	return beat, nil
}

func (s *Store) heartbeat(ctx context.Context, c Claim) (Beat, error) {
	r, err := s.load(ctx, c.Ref)
	if errors.Is(err, ErrNotExist) {
		return Beat{}, fmt.Errorf("%w: its record is gone", ErrSuperseded)
	}
	if err != nil {
		return Beat{}, err
	}
	if !r.held(c.Attempt) {
		return Beat{}, ErrSuperseded
	}
	if r.over() { // nobody takes a finished record over, so the lease has done its work
		return Beat{Finished: true}, s.dropLease(ctx, c.Ref, c.Attempt)
	}
	return Beat{Stopped: r.status == Stopped}, s.renew(ctx, c)
}

// Release ends an attempt without ending its experiment: outcome is [Drained], which is not counted, or [Infrastructure].
// The next attempt may start at once. An attempt that no longer holds the experiment has nothing to release, and that is
// no error; nor is a second release.
func (s *Store) Release(ctx context.Context, c Claim, outcome string) error {
	err := s.update(ctx, c.Ref, func(r *Record) (*Record, error) {
		if r == nil || r.over() || !r.held(c.Attempt) {
			return nil, nil
		}
		r.cloud.settle(c.Attempt, outcome, s.now())
		return r, nil
	})
	if err == nil {
		err = s.dropLease(ctx, c.Ref, c.Attempt)
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", c.Ref.Key, err)
	}
	return nil
}
