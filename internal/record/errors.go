package record

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotExist is returned when an experiment has no record.
	ErrNotExist = errors.New("no such experiment record")
	// ErrMalformed is returned for a record that is not what clients write: no JSON object, or a `cloud` that is not ours.
	ErrMalformed = errors.New("malformed experiment record")
	// ErrStopped is returned when the client stopped an experiment that no attempt runs.
	ErrStopped = errors.New("the experiment was stopped before it started")
	// ErrSuperseded is returned to an attempt that no longer holds its experiment: it stops, and writes nothing more.
	ErrSuperseded = errors.New("the attempt no longer holds the experiment")
)

// HeldError is returned when another attempt that may be alive holds the experiment.
type HeldError struct {
	Attempt  string
	Executor string
	Until    time.Time // when its lease runs out unless it is renewed
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("attempt %s on %s holds the experiment until %s", e.Attempt, e.Executor, e.Until.UTC().Format(time.RFC3339))
}

// EndedError is returned when the experiment has ended.
type EndedError struct {
	Outcome string // empty where the client's own tools wrote `finished`
	Attempt string // empty where no attempt of ours ended it
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("the experiment has ended: %q by attempt %q", e.Outcome, e.Attempt)
}

// ExhaustedError is returned when infrastructure failed too many attempts since the client asked for the experiment.
type ExhaustedError struct {
	Attempts int // how many failed
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("%d attempts at the experiment failed", e.Attempts)
}
