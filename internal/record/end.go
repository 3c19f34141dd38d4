package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Ending is the end of an experiment that no output.tar tells.
type Ending struct {
	Attempt  string // the attempt that ends it; empty for an experiment that is ended without one
	Outcome  string
	Reason   string
	ExitCode *int
	At       time.Time       // the Store's time if zero
	Initial  json.RawMessage // the experiment as it was sent, for a record that does not exist; may be nil
	LeaseTTL time.Duration   // DefaultLeaseTTL if 0
}

// End finishes an experiment. Ending one that has ended changes nothing and is no error.
//
// With an attempt the error is [ErrSuperseded] if it no longer holds the record, and a record that the client has deleted
// stays away. Without one, a live attempt keeps the experiment ([HeldError]), an attempt that is not live is abandoned, and
// a record that does not exist is made, so that a replay of the message finds the end.
func (s *Store) End(ctx context.Context, ref Ref, e Ending) error {
	if e.At.IsZero() {
		e.At = s.now()
	}
	if e.LeaseTTL <= 0 {
		e.LeaseTTL = DefaultLeaseTTL
	}
	err := s.update(ctx, ref, func(r *Record) (_ *Record, err error) {
		if r == nil && e.Attempt != "" {
			return nil, nil
		}
		if r == nil {
			r, err = create(ref, e.Initial)
		}
		if err != nil || r.over() && (e.Attempt == "" || r.cloud.Attempt == e.Attempt) {
			return nil, err
		}
		if err := s.mayEnd(ctx, r, e); err != nil {
			return nil, err
		}
		r.finish(e)
		return r, nil
	})
	if err == nil && e.Attempt != "" {
		err = s.dropLease(ctx, ref, e.Attempt)
	}
	if err != nil {
		return fmt.Errorf("end %s: %w", ref.Key, err)
	}
	return nil
}

// mayEnd tells whether e is entitled to end the experiment, and clears what stands in its way.
func (s *Store) mayEnd(ctx context.Context, r *Record, e Ending) error {
	if e.Attempt != "" {
		if !r.held(e.Attempt) {
			return ErrSuperseded
		}
		return nil
	}
	if r.status == Waiting {
		r.restart(e.At)
		return nil
	}
	l, err := s.leaseOf(ctx, r)
	if err != nil {
		return err
	}
	if err := r.live(l, e.LeaseTTL, s.now()); err != nil {
		return err
	}
	r.cloud.settle(r.cloud.Attempt, Abandoned, e.At)
	return nil
}

// finish writes the end into the record.
func (r *Record) finish(e Ending) {
	r.cloud.settle(e.Attempt, e.Outcome, e.At)
	r.status = Finished
	r.setTime("time_finished", e.At)
	r.cloud.Outcome, r.cloud.Reason, r.cloud.ExitCode = e.Outcome, e.Reason, e.ExitCode
}
