package worker

import (
	"errors"
	"fmt"
)

// Outcome is how an experiment ended, as its record and its events say it (cloud.outcome).
type Outcome string

// The ways in which an experiment ends.
const (
	Completed Outcome = "completed" // the program ended with exit code 0
	Failed    Outcome = "failed"    // the program, its environment or its artifacts failed; the experimenter's to mend
	TimedOut  Outcome = "timed_out" // max_duration, or the lifetime while it ran
	Stopped   Outcome = "stopped"   // the experimenter stopped it
	Expired   Outcome = "expired"   // its lifetime passed before it started
	Refused   Outcome = "refused"   // it may not run, or not here
	Lost      Outcome = "lost"      // its attempts are used up
)

// Disposition is what becomes of a delivery.
type Disposition int

const (
	// Return gives the delivery back to Pub/Sub, to come again.
	Return Disposition = iota
	// Acknowledge ends it: nothing is left to do.
	Acknowledge
	// DeadLetter puts it with the dead letters and then acknowledges it.
	DeadLetter
)

func (d Disposition) String() string {
	switch d {
	case Acknowledge:
		return "acknowledge"
	case DeadLetter:
		return "dead_letter"
	default:
		return "return"
	}
}

// verdict is the end of an experiment: what its record, its output and its events say of it.
type verdict struct {
	outcome  Outcome
	exitCode *int
	reason   string // a sentence for the experimenter; empty when completed
}

// Fault is an end that only the experimenter can change: a retry would fail the same way.
type Fault struct {
	Outcome  Outcome
	Sentence string // what happened, to what, and what to do
	Err      error
}

func (f *Fault) Error() string {
	if f.Err == nil {
		return f.Sentence
	}
	return fmt.Sprintf("%s (%v)", f.Sentence, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// The causes for which a running attempt is cancelled.
var (
	errStopped    = errors.New("the experimenter stopped the experiment")
	errTimedOut   = errors.New("the experiment used up its time")
	errSuperseded = errors.New("another attempt holds the experiment")
	errLeaseLost  = errors.New("the lease could not be renewed in time")
	errDraining   = errors.New("the executor is leaving")
)
