package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Records reads records.
type Records interface {
	Read(ctx context.Context, ref record.Ref) (*record.Record, error)
}

// Cluster is what is known of a deployment.
type Cluster struct {
	Policy  admission.Policy
	Queues  queue.Filter
	Stores  *artifact.Stores
	Keys    []*envelope.PrivateKey // that open sealed requests; none for whoever does not run the cluster
	Records Records                // nil: records are not looked at
	Now     func() time.Time
}

// Message is what would be put into a queue.
type Message struct {
	Queue    string
	Body     []byte
	Inner    []byte // of a sealed one, where its sender asks; else nil
	Uploaded bool   // what it reads is stored, or will be before it is sent
}

// explanation is a report in the making.
type explanation struct {
	Cluster
	message  Message
	report   Report
	decision admission.Decision
}

// Explain foretells what would become of m. Only Records can make it fail, which is told as something unknown.
func (c Cluster) Explain(ctx context.Context, m Message) Report {
	e := &explanation{Cluster: c, message: m, report: Report{Queue: m.Queue, Bytes: len(m.Body), MostBytes: message.MaxData}}
	if err := e.explain(ctx); err != nil {
		e.refuse(err)
	}
	e.report.Runs = e.report.Refusal == nil
	return e.report
}

// explain asks in the order in which a message meets those who decide. An error is a refusal.
func (e *explanation) explain(ctx context.Context) error {
	if err := e.Queues.Check(e.message.Queue); err != nil {
		return err
	}
	decision, err := e.Policy.Decide(e.message.Queue, e.message.Body)
	if err == nil {
		err = admission.CheckSize(len(e.message.Body), message.MaxData)
	}
	e.decision = decision
	e.admitted(err == nil)
	if err != nil {
		return err
	}
	r, err := e.open()
	if err != nil || r == nil {
		return err
	}
	e.describe(r)
	if err := e.recorded(ctx, r); err != nil {
		return err
	}
	return e.plan(r).Check(e.Now())
}

// open returns the request, nil where only the cluster can see it.
func (e *explanation) open() (*request.Request, error) {
	switch {
	case e.decision.Kind == admission.Clear, len(e.Keys) > 0:
		r, err := e.Policy.Open(e.decision, e.Keys)
		return r, executors(err)
	case e.message.Inner != nil:
		r, err := e.Policy.Inside(e.decision, e.message.Inner)
		e.unknown("whether the cluster can still open what is sealed for this public key")
		return r, executors(err)
	}
	e.unknown("what the sealed request says: only the cluster's private key opens it")
	return nil, nil
}

// executorError is a refusal that the executor makes, and not the bridge.
type executorError struct{ error }

func (e *executorError) Unwrap() error { return e.error }

func executors(err error) error {
	if err == nil {
		return nil
	}
	return &executorError{err}
}

func (e *explanation) plan(r *request.Request) preflight.Plan {
	return preflight.Plan{Request: r, Tenant: e.decision.Tenant, Stores: e.Stores}
}

// recorded looks whether the record lets the experiment run.
func (e *explanation) recorded(ctx context.Context, r *request.Request) error {
	if e.Records == nil {
		return nil
	}
	rec, err := e.Records.Read(ctx, record.Ref{Bucket: r.Config.Database.Bucket, Key: r.Experiment.Key})
	if errors.Is(err, record.ErrNotExist) {
		return nil
	}
	if err != nil {
		e.unknown(fmt.Sprintf("whether the experiment has run already: its record cannot be read (%v)", err))
		return nil
	}
	return preflight.Claimable(rec)
}

func (e *explanation) unknown(what string) { e.report.Unknown = append(e.report.Unknown, what) }
