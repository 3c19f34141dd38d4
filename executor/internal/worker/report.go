package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/reporter"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
)

// reportTimeout is how long Pub/Sub may take for an attempt's last report. After it the delivery goes back, and the next one
// reports the end.
const reportTimeout = 30 * time.Second

// What an attempt says that ends without an end of its experiment.
const (
	failedHere  = "This attempt ended because the infrastructure failed; another attempt goes on from what is saved."
	leavingHere = "This executor is leaving; another attempt goes on from what is saved."
)

func (w *Worker) subject(m message.Relayed, experiment, unique string) reporting.Subject {
	return reporting.Subject{Queue: m.Queue, Experiment: experiment, Attempt: unique, Executor: w.Executor}
}

func (x *experiment) subject(unique string) reporting.Subject {
	return x.w.subject(x.relayed, x.ref.Key, unique)
}

// reportEnd reports an end that no attempt reports itself. A failure gives the delivery back.
func (w *Worker) reportEnd(ctx context.Context, of reporting.Subject, v verdict) error {
	ctx, cancel := context.WithTimeout(ctx, min(reportTimeout, w.SaveTimeout))
	defer cancel()
	return w.Reports.End(ctx, of, v.end(w.Now()))
}

func (v verdict) end(at time.Time) reporting.End {
	e := reporting.End{At: at, Success: v.outcome == Completed, Reason: v.reason}
	if v.exitCode != nil {
		e.Code = *v.exitCode
	}
	return e
}

// reportAgain reports the end of an experiment that has ended before: whoever ended it may have died before it said so. The
// report has the id that it had or would have had. An end that nothing is known of is not reported.
func (x *experiment) reportAgain(ctx context.Context, attempt string) error {
	if x.w.Reports.Key(x.relayed.Queue) == nil {
		return nil
	}
	unique, v, err := x.verdict(ctx, attempt)
	if err != nil || v.outcome == "" {
		return err
	}
	return x.w.reportEnd(ctx, x.subject(unique), v)
}

// verdict is how the experiment ended as its record tells, or the metadata of its final output where finalize is still on its way.
func (x *experiment) verdict(ctx context.Context, attempt string) (unique string, v verdict, err error) {
	ctx, cancel := x.soon(ctx)
	defer cancel()
	rec, err := x.w.Records.Read(ctx, x.ref)
	if err != nil {
		return "", v, fmt.Errorf("read the record of %s: %w", x.ref.Key, err)
	}
	cloud := rec.Cloud()
	if cloud.Outcome != "" {
		unique = x.relayed.MessageID // unless an attempt ended it
		for _, a := range cloud.Attempts {
			if a.ID == attempt && a.Outcome == cloud.Outcome {
				unique = attempt
			}
		}
		return unique, verdict{outcome: Outcome(cloud.Outcome), exitCode: cloud.ExitCode, reason: cloud.Reason}, nil
	}
	object, store, err := x.plan().Output()
	if err != nil {
		return "", v, nil // an output that may not be written tells nothing
	}
	info, err := store.Attrs(ctx, object)
	if errors.Is(err, artifact.ErrNotExist) {
		return "", v, nil
	}
	if err != nil {
		return "", v, fmt.Errorf("look at the output of %s: %w", x.ref.Key, err)
	}
	_, out, err := record.ReadMetadata(info.Metadata)
	if err != nil || out.State != record.StateFinal || out.Attempt != attempt {
		return "", v, nil // of another end, or of none
	}
	return attempt, verdict{outcome: Outcome(out.Outcome), exitCode: out.ExitCode, reason: out.Reason}, nil
}

// report begins to report on the attempt.
func (a *attempt) report(ctx context.Context) *reporter.Reporter {
	return reporter.Start(ctx, reporter.Config{
		Sender: a.w.Reports, Subject: a.subject(a.claim.Attempt), Rate: a.w.ReportRate, Log: a.log, Now: a.w.Now,
	})
}

// tellStop reports that the attempt is told to end, and why, as soon as ctx ends.
func (a *attempt) tellStop(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, func() { a.sayStopping(context.Cause(ctx)) })
}

// sayStopping says nothing of an attempt that was superseded, or that has simply ended.
func (a *attempt) sayStopping(cause error) {
	var fault *Fault
	switch {
	case errors.Is(cause, errStopped):
		a.reports.Stopping("The experiment is stopped, as was asked.")
	case errors.Is(cause, errTimedOut):
		a.reports.Stopping("The experiment has used up its time.")
	case errors.Is(cause, errDraining):
		a.reports.Stopping(leavingHere)
	case errors.As(cause, &fault):
		a.reports.Stopping(fault.Sentence)
	case errors.Is(cause, errDevice), errors.Is(cause, errDiskFull):
		a.reports.Stopping(failedHere)
	}
}

// reportEnd reports how the attempt ended the experiment, after everything else that there is to report.
func (a *attempt) reportEnd(ctx context.Context, at time.Time, v verdict) error {
	ctx, cancel := context.WithTimeout(ctx, min(reportTimeout, a.w.SaveTimeout))
	defer cancel()
	return a.reports.End(ctx, v.end(at))
}

// reportParting sends what an attempt has reported that did not end the experiment, unless another one holds that now.
func (a *attempt) reportParting(ctx context.Context, err error) error {
	if errors.Is(err, record.ErrSuperseded) {
		a.reports.Discard()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, partingTimeout)
	defer cancel()
	return a.reports.Close(ctx)
}
