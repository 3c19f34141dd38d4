package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/googleapis/gax-go/v2"
)

// lease is the content of the lease object. It protects nobody: it only tells others until when to keep off.
type lease struct {
	Attempt  string    `json:"attempt"`
	Executor string    `json:"executor"`
	At       time.Time `json:"at"` // by the clock of its executor

	generation int64
}

// readLease returns a zero lease, whose generation tells whether there is an object, for a lease that cannot be read.
func (s *Store) readLease(ctx context.Context, ref Ref) (lease, error) {
	var l lease
	data, generation, err := s.get(ctx, ref.Bucket, ref.Lease())
	if errors.Is(err, ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read lease: %w", err)
	}
	if json.Unmarshal(data, &l) != nil {
		l = lease{}
	}
	l.generation = generation
	return l, nil
}

// tenure is what one attempt knows of its lease: the generation that it last wrote. Copies of a Claim share it.
type tenure struct{ generation atomic.Int64 }

// renew writes c's lease. On a lease of another's making it looks at the record: if that still says that c holds the
// experiment the lease is adopted, else the error is ErrSuperseded. The lease is read before the record, so that one
// written by a later claimant is never overwritten: its claim would already show.
func (s *Store) renew(ctx context.Context, c Claim) error {
	data, err := encode(lease{Attempt: c.Attempt, Executor: c.executor, At: s.now().UTC()})
	if err != nil {
		return err
	}
	t := c.tenure
	if t == nil {
		t = new(tenure)
	}
	for pause := backoff(); ; {
		generation, err := s.put(ctx, c.Ref.Bucket, c.Ref.Lease(), t.generation.Load(), data)
		if err == nil {
			t.generation.Store(generation)
			return nil
		}
		if !errors.Is(err, errPrecondition) {
			return fmt.Errorf("write lease: %w", err)
		}
		found, err := s.readLease(ctx, c.Ref)
		if err != nil {
			return err
		}
		r, err := s.load(ctx, c.Ref)
		if errors.Is(err, ErrNotExist) || err == nil && !r.held(c.Attempt) {
			return ErrSuperseded
		}
		if err != nil {
			return err
		}
		t.generation.Store(found.generation)
		if err := gax.Sleep(ctx, pause.Pause()); err != nil {
			return fmt.Errorf("wait to try again: %w", err)
		}
	}
}

// dropLease removes the lease if it is still attempt's.
func (s *Store) dropLease(ctx context.Context, ref Ref, attempt string) error {
	l, err := s.readLease(ctx, ref)
	if err != nil || l.generation == 0 || l.Attempt != attempt {
		return err
	}
	if err := s.remove(ctx, ref.Bucket, ref.Lease(), l.generation); err != nil && !errors.Is(err, errPrecondition) {
		return fmt.Errorf("remove lease: %w", err)
	}
	return nil
}
