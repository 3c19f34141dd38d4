package record

import (
	"context"
	"fmt"
)

// Stop asks for the end of an experiment as its client does: `status: stopped`. The attempt that runs it sees that at its
// next heartbeat; one that has not started never will. It tells whether there was anything to stop.
func (s *Store) Stop(ctx context.Context, ref Ref) (asked bool, err error) {
	err = s.update(ctx, ref, func(r *Record) (*Record, error) {
		if r == nil {
			return nil, ErrNotExist
		}
		asked = !r.over() && r.status != Stopped
		if !asked {
			return nil, nil
		}
		r.status = Stopped
		return r, nil
	})
	if err != nil {
		return false, fmt.Errorf("stop %s: %w", ref.Key, err)
	}
	return asked, nil
}
