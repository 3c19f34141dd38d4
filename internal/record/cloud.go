package record

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"
)

// Cloud is what this project adds to a record. Its zero value is a record that no attempt has claimed.
type Cloud struct {
	Attempt  string          `json:"attempt,omitempty"` // the last one to claim the record
	Attempts []Attempt       `json:"attempts,omitempty"`
	Outcome  string          `json:"outcome,omitempty"`
	ExitCode *int            `json:"exit_code,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Output   *Stored         `json:"output,omitempty"`   // the last output.tar that was taken note of
	Document json.RawMessage `json:"document,omitempty"` // the program's metadata

	others object
}

// Attempt is one try at an experiment.
type Attempt struct {
	ID       string    `json:"id"`
	Executor string    `json:"executor,omitempty"`
	Pool     string    `json:"pool,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Outcome  string    `json:"outcome,omitempty"`
	// Fresh marks the first attempt since the client asked for a run; failures before it are not counted.
	Fresh bool `json:"fresh,omitempty"`

	others object
}

// Stored identifies one stored object.
type Stored struct {
	Generation int64  `json:"generation"`
	CRC32C     string `json:"crc32c,omitempty"` // as Cloud Storage shows it: base64 of the big-endian bytes
	Size       int64  `json:"size"`
}

// The outcomes of attempts that did not end their experiment.
const (
	Drained        = "drained"        // its executor had to leave; not counted as a failure
	Infrastructure = "infrastructure" // storage, network or a GPU failed it
	Abandoned      = "abandoned"      // its lease ran out
	Superseded     = "superseded"     // the client asked for the experiment anew while it ran; not counted
)

func counts(outcome string) bool { return outcome != Drained && outcome != Superseded }

// failures counts the attempts that infrastructure failed since the client asked for the run.
func (c *Cloud) failures() int {
	n := 0
	for _, a := range slices.Backward(c.Attempts) {
		if !a.Ended.IsZero() && counts(a.Outcome) {
			n++
		}
		if a.Fresh {
			break
		}
	}
	return n
}

// number is the ordinal of the last attempt, counted from 1 since the client asked for the run.
func (c *Cloud) number() int {
	for i, a := range slices.Backward(c.Attempts) {
		if a.Fresh {
			return len(c.Attempts) - i
		}
	}
	return len(c.Attempts)
}

// entry returns the entry of an attempt, nil if there is none.
func (c *Cloud) entry(id string) *Attempt {
	for i := range c.Attempts {
		if id != "" && c.Attempts[i].ID == id {
			return &c.Attempts[i]
		}
	}
	return nil
}

// running returns the entry of the attempt that claimed last and has not ended, nil if there is none.
func (c *Cloud) running() *Attempt {
	if a := c.entry(c.Attempt); a != nil && a.Ended.IsZero() {
		return a
	}
	return nil
}

// settle marks an attempt as ended unless it has ended already.
func (c *Cloud) settle(id, outcome string, at time.Time) {
	if a := c.entry(id); a != nil && a.Ended.IsZero() {
		a.Ended, a.Outcome = at.UTC(), outcome
	}
}

func base64CRC(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// UnmarshalJSON keeps the members that it does not know.
func (c *Cloud) UnmarshalJSON(data []byte) (err error) {
	type known Cloud
	c.others, err = split(data, (*known)(c), "attempt", "attempts", "outcome", "exit_code", "reason", "output", "document")
	return err
}

// MarshalJSON writes also the members that were kept.
func (c Cloud) MarshalJSON() ([]byte, error) {
	type known Cloud
	return join(known(c), c.others)
}

// UnmarshalJSON keeps the members that it does not know.
func (a *Attempt) UnmarshalJSON(data []byte) (err error) {
	type known Attempt
	a.others, err = split(data, (*known)(a), "id", "executor", "pool", "started", "ended", "outcome", "fresh")
	return err
}

// MarshalJSON writes also the members that were kept.
func (a Attempt) MarshalJSON() ([]byte, error) {
	type known Attempt
	return join(known(a), a.others)
}
