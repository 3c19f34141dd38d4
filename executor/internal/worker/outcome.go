package worker

import (
	"errors"

	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
)

// Outcome is how an experiment ended, and Fault an end that only the experimenter can change.
type (
	Outcome = preflight.Outcome
	Fault   = preflight.Fault
)

// The ways in which an experiment ends.
const (
	Completed = preflight.Completed
	Failed    = preflight.Failed
	TimedOut  = preflight.TimedOut
	Stopped   = preflight.Stopped
	Expired   = preflight.Expired
	Refused   = preflight.Refused
	Lost      = preflight.Lost
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

// The causes for which a running attempt is cancelled.
var (
	errStopped    = errors.New("the experimenter stopped the experiment")
	errTimedOut   = errors.New("the experiment used up its time")
	errSuperseded = errors.New("another attempt holds the experiment")
	errLeaseLost  = errors.New("the lease could not be renewed in time")
	errDraining   = errors.New("the executor is leaving")
)
