package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kinds of report, by which the bridge knows what it may leave out where nobody reads.
const (
	StateReport = "state" // never left out
	JSONReport  = "json"  // a line of JSON that the program printed
	LogReport   = "log"   // any other line
)

// MaxBatch is how many bytes of bodies a batch should have; one report alone may have more, up to MaxData.
const MaxBatch = 256 << 10

// maxShort is AMQP's limit for the names of queues, routing keys and message ids in bytes.
const maxShort = 255

// ErrInvalidReports marks a message that is no batch of reports. It is permanent.
var ErrInvalidReports = errors.New("not a batch of reports")

// Report is a sealed report on its way to a response queue.
type Report struct {
	ID   string `json:"id"`   // "<attempt>/<n>": stays the same where a report comes twice
	Kind string `json:"kind"` // StateReport, JSONReport or LogReport
	Body string `json:"body"` // as package report seals it
}

// Reports is a batch of reports about one attempt, in the order in which things happened.
type Reports struct {
	Queue      string // of the request; the reports go to its response queue
	Experiment string // key; "" where the request could not be read
	Attempt    string // the reports' unique_id: the message's identity where no attempt was made
	Executor   string // who says it
	Reports    []Report
}

// Attributes returns the Pub/Sub attributes of the batch.
func (r Reports) Attributes() map[string]string {
	attributes := make(map[string]string, 4)
	put(attributes, "queue", r.Queue)
	put(attributes, "experiment", r.Experiment)
	put(attributes, "attempt", r.Attempt)
	put(attributes, "executor", r.Executor)
	return attributes
}

// batch is the data of the Pub/Sub message.
type batch struct {
	Reports []Report `json:"reports"`
}

// Data returns the data of the Pub/Sub message.
func (r Reports) Data() ([]byte, error) {
	data, err := json.Marshal(batch{r.Reports})
	if err != nil {
		return nil, fmt.Errorf("encode reports of %s: %w", r.Attempt, err)
	}
	return data, nil
}

// ReportsFrom reads what [Reports.Attributes] and [Reports.Data] wrote. It refuses, with [ErrInvalidReports], what is no batch, and a
// batch of which any report could not be published.
func ReportsFrom(attributes map[string]string, data []byte) (Reports, error) {
	r := Reports{
		Queue: attributes["queue"], Experiment: attributes["experiment"], Attempt: attributes["attempt"], Executor: attributes["executor"],
	}
	switch {
	case r.Queue == "" || len("StudioML."+r.Queue+"_response") > maxShort:
		return Reports{}, fmt.Errorf("%w: attribute queue is empty or longer than RabbitMQ takes", ErrInvalidReports)
	case r.Attempt == "":
		return Reports{}, fmt.Errorf("%w: no attribute attempt", ErrInvalidReports)
	}
	var b batch
	if err := json.Unmarshal(data, &b); err != nil {
		return Reports{}, fmt.Errorf("%w: the data is no batch of reports", ErrInvalidReports)
	}
	if len(b.Reports) == 0 {
		return Reports{}, fmt.Errorf("%w: no reports", ErrInvalidReports)
	}
	for i, one := range b.Reports {
		if err := one.check(); err != nil {
			return Reports{}, fmt.Errorf("%w: reports[%d]: %w", ErrInvalidReports, i, err)
		}
	}
	r.Reports = b.Reports
	return r, nil
}

func (r Report) check() error {
	switch {
	case r.ID == "" || len(r.ID) > maxShort:
		return fmt.Errorf("an id of %d bytes, not 1 to %d", len(r.ID), maxShort)
	case r.Kind != StateReport && r.Kind != JSONReport && r.Kind != LogReport:
		return fmt.Errorf("kind is %q", r.Kind)
	case strings.Count(r.Body, ",") != 1 || strings.ContainsFunc(r.Body, notSealed):
		return fmt.Errorf("a body of %d bytes that is not sealed", len(r.Body))
	}
	return nil
}

// notSealed tells what a sealed body cannot hold.
func notSealed(c rune) bool {
	return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '=' && c != ','
}
