package preflight

import "fmt"

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
