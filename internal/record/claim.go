package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// DefaultLeaseTTL is how long an attempt that shows no life keeps others away where nothing else is said.
const DefaultLeaseTTL = time.Minute

// firstLease is how long a won claim waits for its lease to be written.
const firstLease = 5 * time.Second

// Claimant is an executor that wants to run an experiment.
type Claimant struct {
	Executor    string
	Pool        string
	Initial     json.RawMessage // the experiment as it was sent, for a record that does not exist; may be nil
	MaxAttempts int             // how many may fail before no more are made; 0 for no limit
	LeaseTTL    time.Duration   // DefaultLeaseTTL if 0
}

// Claim is an attempt's right to run an experiment, until Heartbeat says otherwise. Copies are the same claim.
type Claim struct {
	Ref       Ref
	Attempt   string // a new UUID
	Number    int    // 1 for the first attempt since the client asked for the run
	StartedAt time.Time

	executor string
	tenure   *tenure
}

// Claim makes a new attempt the record's own. Of any number of concurrent claimants one wins; the others see it as live.
//
// Errors: [HeldError], [EndedError], [ErrStopped], [ExhaustedError], [ErrMalformed], or storage's.
func (s *Store) Claim(ctx context.Context, ref Ref, c Claimant) (Claim, error) {
	if c.LeaseTTL <= 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	won := Claim{Ref: ref, Attempt: uuid.NewString(), executor: c.Executor, tenure: new(tenure)}
	err := s.update(ctx, ref, func(r *Record) (next *Record, err error) {
		if r == nil {
			r, err = create(ref, c.Initial)
		}
		if err != nil {
			return nil, err
		}
		if r.held(won.Attempt) { // an earlier write that nobody answered has won
			return nil, nil
		}
		if r.cloud.entry(won.Attempt) != nil { // likewise, but the client has asked anew since
			won.Attempt = uuid.NewString()
		}
		l, err := s.leaseOf(ctx, r)
		if err != nil {
			return nil, err
		}
		won.tenure.generation.Store(l.generation)
		if err := r.claim(won.Attempt, c, l, s.now()); err != nil {
			return nil, err
		}
		won.StartedAt, won.Number = r.cloud.entry(won.Attempt).Started, r.cloud.number()
		return r, nil
	})
	if err != nil {
		return Claim{}, fmt.Errorf("claim %s: %w", ref.Key, err)
	}
	// The claim is won whatever becomes of the lease: its start keeps others away as long, and heartbeats write it again.
	ctx, cancel := context.WithTimeout(ctx, firstLease)
	defer cancel()
	_ = s.renew(ctx, won)
	return won, nil
}

// leaseOf reads the lease where it can matter: only a record with a running attempt, and not put back to waiting.
func (s *Store) leaseOf(ctx context.Context, r *Record) (lease, error) {
	if r.status == Waiting || r.cloud.running() == nil {
		return lease{}, nil
	}
	return s.readLease(ctx, r.Ref)
}

// claim decides on a claim and makes it.
func (r *Record) claim(id string, c Claimant, l lease, now time.Time) error {
	fresh := r.status == Waiting
	if fresh {
		r.restart(now)
	} else {
		if err := r.vacant(l, c.LeaseTTL, now); err != nil {
			return err
		}
		r.cloud.settle(r.cloud.Attempt, Abandoned, now)
		if n := r.cloud.failures(); c.MaxAttempts > 0 && n >= c.MaxAttempts {
			return &ExhaustedError{Attempts: n}
		}
	}
	r.cloud.Attempt = id
	r.cloud.Attempts = append(r.cloud.Attempts, Attempt{
		ID: id, Executor: c.Executor, Pool: c.Pool, Started: now.UTC(), Fresh: fresh,
	})
	r.status = Running
	r.setTime("time_started", now)
	return nil
}

// vacant returns why the record cannot be claimed, if it cannot. A stop comes second to a live attempt, which will end the
// experiment as stopped itself.
func (r *Record) vacant(l lease, ttl time.Duration, now time.Time) error {
	if r.over() {
		return &EndedError{Outcome: r.cloud.Outcome, Attempt: r.cloud.Attempt}
	}
	if err := r.live(l, ttl, now); err != nil {
		return err
	}
	if r.status == Stopped {
		return ErrStopped
	}
	return nil
}

// Claimable is why no attempt may begin, as far as the record alone tells: an [EndedError] or [ErrStopped]. Whether another
// attempt is alive is for its lease to say.
func (r *Record) Claimable() error {
	switch {
	case r.status == Waiting:
		return nil
	case r.over():
		return &EndedError{Outcome: r.cloud.Outcome, Attempt: r.cloud.Attempt}
	case r.status == Stopped:
		return ErrStopped
	}
	return nil
}

// live returns a HeldError if an attempt holds the record and showed life less than ttl ago.
func (r *Record) live(l lease, ttl time.Duration, now time.Time) error {
	a := r.cloud.running()
	if a == nil {
		return nil
	}
	seen := a.Started
	if l.Attempt == a.ID && l.At.After(seen) {
		seen = l.At
	}
	if until := seen.Add(ttl); now.Before(until) {
		return &HeldError{Attempt: a.ID, Executor: a.Executor, Until: until}
	}
	return nil
}

// restart clears what an earlier run left in a record that its client put back to waiting. What is known of output.tar
// stays: it tells late news of the earlier run from news of the new one.
func (r *Record) restart(now time.Time) {
	r.cloud.settle(r.cloud.Attempt, Superseded, now)
	r.cloud.Outcome, r.cloud.ExitCode, r.cloud.Reason, r.cloud.Document = "", nil, "", nil
	if !isNull(r.fields["time_finished"]) {
		r.fields["time_finished"] = json.RawMessage("null")
	}
}
