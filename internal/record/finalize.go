package record

import (
	"context"
	"encoding/json"
	"fmt"
)

// Kind is what an output brought about.
type Kind string

// The kinds of change.
const (
	Unchanged    Kind = "" // the output is of no account
	Checkpointed Kind = "checkpointed"
	Ended        Kind = "ended"
)

// Change is what the record says after an output was looked at.
type Change struct {
	Kind    Kind   // what the output brought about, now or when it was first seen
	Written bool   // whether that was now
	Why     string // why it is of no account

	// What the record says of an experiment that the output ended.
	Outcome  string
	Reason   string
	ExitCode *int
}

// Finalize takes note of an output: a checkpoint touches no status, the final one ends the experiment. Duplicates, outputs
// older than the recorded one, of an attempt that the record has left behind, and of experiments that have ended or have no
// record change nothing. A generation that the record has already is reported as what it was, so that what should have
// followed it can be made good.
func (s *Store) Finalize(ctx context.Context, ref Ref, o Output) (Change, error) {
	if o.Document != nil && !json.Valid(o.Document) {
		return Change{}, fmt.Errorf("finalize %s: %w: the document is not JSON", ref.Key, ErrMalformed)
	}
	var done Change
	err := s.update(ctx, ref, func(r *Record) (*Record, error) {
		done = Change{Why: "the experiment has no record"}
		if r == nil {
			return nil, nil
		}
		if done = r.finalize(o); !done.Written {
			return nil, nil
		}
		return r, nil
	})
	if err != nil {
		return Change{}, fmt.Errorf("finalize %s: %w", ref.Key, err)
	}
	return done, nil
}

// finalize decides on an output and takes note of it.
func (r *Record) finalize(o Output) Change {
	if why := r.ignores(o); why != "" {
		return Change{Why: why}
	}
	if seen := r.cloud.Output; seen != nil && seen.Generation == o.Generation {
		if r.over() && o.State == StateFinal {
			return r.ended(false)
		}
		if !r.over() && o.State != StateFinal {
			return Change{Kind: Checkpointed}
		}
	}
	if r.over() {
		return Change{Why: "the experiment has ended"}
	}
	r.cloud.Output = &Stored{Generation: o.Generation, CRC32C: base64CRC(o.CRC32C), Size: o.Size}
	if o.Document != nil {
		r.cloud.Document = o.Document
	}
	if o.State != StateFinal {
		r.setTime("time_last_checkpoint", o.Updated)
		return Change{Kind: Checkpointed, Written: true}
	}
	if o.EndedAt.IsZero() {
		o.EndedAt = o.Updated
	}
	r.setTime("time_last_checkpoint", o.EndedAt) // as the client's own workers do: the last save comes before the end
	r.finish(Ending{Attempt: o.Attempt, Outcome: r.outcome(o), Reason: o.Reason, ExitCode: o.ExitCode, At: o.EndedAt})
	return r.ended(true)
}

func (r *Record) ended(written bool) Change {
	return Change{Kind: Ended, Written: written, Outcome: r.cloud.Outcome, Reason: r.cloud.Reason, ExitCode: r.cloud.ExitCode}
}

// ignores tells why an output is of no account to the record as it is; generations are those of one object, and grow.
func (r *Record) ignores(o Output) string {
	switch seen := r.cloud.Output; {
	case o.Attempt != "" && r.status == Waiting:
		return "the client has asked for the experiment anew since this attempt"
	case o.Attempt == "" && r.status == Waiting && o.Updated.Before(r.Time("time_added")):
		return "the client has asked for the experiment anew since this output"
	case r.cloud.Attempt != "" && o.Attempt != r.cloud.Attempt && r.status != Waiting:
		return "it is not of the attempt that claimed last"
	case seen != nil && o.Generation < seen.Generation:
		return "a newer one is recorded"
	}
	return ""
}

// outcome fills in what another producer does not say.
func (r *Record) outcome(o Output) string {
	switch {
	case o.Outcome != "":
		return o.Outcome
	case r.status == Stopped:
		return "stopped"
	case o.ExitCode != nil && *o.ExitCode != 0:
		return "failed"
	default:
		return "completed"
	}
}
