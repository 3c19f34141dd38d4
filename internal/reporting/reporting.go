// Package reporting sends reports to experimenters on their way: it makes and seals them, and puts them on Pub/Sub. From there
// the bridge's function Report carries them to the response queue.
//
// A tenant without a report key has no reports: nothing is made and nothing fails. [Sender.End] returns nil only when Pub/Sub has
// the report, and its errors are transient; callers keep what they were given until then. A report that is sent twice has the same
// id both times.
package reporting

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// Publisher takes batches. Its nil means that Pub/Sub has the batch.
type Publisher interface {
	Reports(ctx context.Context, r message.Reports) error
}

// Subject is what reports are about.
type Subject struct {
	Queue      string // of the request
	Experiment string // key; "" where the request could not be read
	Attempt    string // or the message's identity where no attempt was made
	Executor   string // who says it
}

// Sender sends reports. A nil one sends none.
type Sender struct {
	Tenants   func() *tenant.Set
	Publisher Publisher
}

// Key returns the key of whoever reads the reports on a queue's requests; nil where nobody does.
func (s *Sender) Key(queue string) *envelope.PublicKey {
	if s == nil {
		return nil
	}
	key, ok := s.Tenants().ReportKey(report.ResponseQueue(queue))
	if !ok {
		return nil
	}
	return key
}

// End is the last that is heard of a subject.
type End struct {
	At      time.Time
	Success bool
	Reason  string // a sentence; "" for a success
	Code    int    // the program's exit code, 0 where it did not end by itself
}

// Progress returns the payload of the end.
func (e End) Progress() *report.Progress {
	p := &report.Progress{State: report.TaskState_Success}
	if !e.Success {
		p.State = report.TaskState_Failed
		p.Error = &report.Progress_Error{Msg: Text(e.Reason), Code: int32(e.Code)} //nolint:gosec // exit codes have 8 bits
	}
	return p
}

// EndID is the id of a subject's last report, whoever sends it.
func EndID(attempt string) string { return attempt + "/end" }

// End sends the last report alone, for a subject of which nobody else reports, or no longer.
func (s *Sender) End(ctx context.Context, of Subject, e End) error {
	key := s.Key(of.Queue)
	if key == nil {
		return nil
	}
	body, err := report.Seal(of.Progress(e.At, e.Progress()), key)
	if err != nil {
		return fmt.Errorf("report the end of %s: %w", of.Attempt, err)
	}
	return s.Send(ctx, of, []message.Report{{ID: EndID(of.Attempt), Kind: message.StateReport, Body: body}})
}

// Send publishes sealed reports.
func (s *Sender) Send(ctx context.Context, of Subject, reports []message.Report) error {
	return s.Publisher.Reports(ctx, message.Reports{
		Queue: of.Queue, Experiment: of.Experiment, Attempt: of.Attempt, Executor: of.Executor, Reports: reports,
	})
}

// Progress returns a report on the subject.
func (s Subject) Progress(at time.Time, p *report.Progress) *report.Report {
	r := s.report(at)
	p.Time = r.Time
	r.Payload = &report.Report_Progress{Progress: p}
	return r
}

// Logging returns a report with a line for people.
func (s Subject) Logging(at time.Time, severity report.LogSeverity, text string, fields map[string]string) *report.Report {
	r := s.report(at)
	r.Payload = &report.Report_Logging{Logging: &report.LogEntry{Time: r.Time, Severity: severity, Message: Text(text), Fields: fields}}
	return r
}

func (s Subject) report(at time.Time) *report.Report {
	r := &report.Report{Time: timestamppb.New(at), UniqueId: Text(s.Attempt), ExecutorId: Text(s.Executor)}
	if s.Experiment != "" {
		r.ExperimentId = Text(s.Experiment)
	}
	return r
}

// Text returns s as proto3 can hold it.
func Text(s string) *wrapperspb.StringValue {
	return wrapperspb.String(strings.ToValidUTF8(s, "\uFFFD"))
}
