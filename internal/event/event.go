package event

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Type is a CloudEvents type.
type Type string

// The types, in the order of an experiment's life.
const (
	Relayed      Type = "ml.studio.experiment.relayed.v1"      // the request is in its pool's topic
	Refused      Type = "ml.studio.experiment.refused.v1"      // the request is a dead letter
	Claimed      Type = "ml.studio.experiment.claimed.v1"      // an executor has taken it: an attempt begins
	Prepared     Type = "ml.studio.experiment.prepared.v1"     // artifacts are fetched and the environment is ready
	Started      Type = "ml.studio.experiment.started.v1"      // its program runs
	Checkpointed Type = "ml.studio.experiment.checkpointed.v1" // its mutable artifacts are saved while it runs
	Saved        Type = "ml.studio.experiment.saved.v1"        // its final artifacts are saved
	Finished     Type = "ml.studio.experiment.finished.v1"     // its record says finished
)

// Types returns all types, in the order of an experiment's life.
func Types() []Type {
	return []Type{Relayed, Refused, Claimed, Prepared, Started, Checkpointed, Saved, Finished}
}

// ErrInvalid marks a message that is no event of ours. It is permanent.
var ErrInvalid = errors.New("not an event")

// Event is one fact about an experiment.
type Event struct {
	Type       Type
	Experiment string    // key; subject and ordering key; "" where a sealed request hides it
	Source     string    // URI reference of who tells; set by the publisher
	ID         string    // the same for the same fact; derived from type and data where it is ""
	Time       time.Time // when it happened; the zero time is not told
	Data       Data
}

// Data is what an event says. Each type has its own fields of these, which its schema in docs/events names.
type Data struct {
	Experiment string  `json:"experiment,omitempty"`
	Attempt    string  `json:"attempt,omitempty"`
	Queue      string  `json:"queue,omitempty"`
	Pool       string  `json:"pool,omitempty"`
	Kind       string  `json:"kind,omitempty"` // clear or sealed
	MessageID  string  `json:"message_id,omitempty"`
	Executor   string  `json:"executor,omitempty"`
	Stage      string  `json:"stage,omitempty"` // bridge or executor
	Outcome    string  `json:"outcome,omitempty"`
	Reason     string  `json:"reason,omitempty"` // constant word
	Detail     string  `json:"detail,omitempty"` // sentence without secrets
	ExitCode   *int    `json:"exit_code,omitempty"`
	Generation int64   `json:"generation,omitempty"` // of output.tar
	Size       int64   `json:"size,omitempty"`       // bytes of output.tar
	Python     string  `json:"python,omitempty"`     // version
	Cached     bool    `json:"cached,omitempty"`     // the environment was there already
	Seconds    float64 `json:"seconds,omitempty"`    // how long it took
}

// complete returns e with what can be derived from the rest of it.
func (e Event) complete() Event {
	if e.Data.Experiment == "" {
		e.Data.Experiment = e.Experiment
	}
	if e.ID == "" {
		e.ID = e.fact()
	}
	return e
}

// fact names what e tells: an id that a second telling shares, whenever it comes.
func (e Event) fact() string {
	d := e.Data
	parts := []string{string(e.Type), d.Experiment, d.Attempt, d.MessageID, strconv.FormatInt(d.Generation, 10), d.Outcome, d.Reason}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}

// encode returns e as the Pub/Sub binding's binary mode has it.
// https://github.com/google/knative-gcp/blob/main/docs/spec/pubsub-protocol-binding.md
func (e Event) encode() (map[string]string, []byte, error) {
	if e.Type == "" || e.Source == "" {
		return nil, nil, fmt.Errorf("event %q from %q: %w: no type or no source", e.Type, e.Source, ErrInvalid)
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	attributes := map[string]string{
		"ce-specversion": "1.0", "ce-id": e.ID, "ce-type": string(e.Type), "ce-source": e.Source, "content-type": "application/json",
	}
	if !e.Time.IsZero() {
		attributes["ce-time"] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	if e.Experiment != "" {
		attributes["ce-subject"] = e.Experiment
	}
	return attributes, data, nil
}

// Parse reads a message of the topic. A type that it does not know is no fault, since readers may be older than writers.
func Parse(attributes map[string]string, data []byte) (Event, error) {
	for _, name := range []string{"ce-id", "ce-type", "ce-source"} {
		if attributes[name] == "" {
			return Event{}, fmt.Errorf("%w: no attribute %s", ErrInvalid, name)
		}
	}
	if version := attributes["ce-specversion"]; version != "1.0" {
		return Event{}, fmt.Errorf("%w: specversion %q", ErrInvalid, version)
	}
	e := Event{
		Type: Type(attributes["ce-type"]), Source: attributes["ce-source"], ID: attributes["ce-id"], Experiment: attributes["ce-subject"],
	}
	if at := attributes["ce-time"]; at != "" {
		parsed, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return Event{}, fmt.Errorf("%w: attribute ce-time: %w", ErrInvalid, err)
		}
		e.Time = parsed
	}
	if err := json.Unmarshal(data, &e.Data); err != nil {
		return Event{}, fmt.Errorf("%w: data of %s: %w", ErrInvalid, e.Type, err)
	}
	return e, nil
}
