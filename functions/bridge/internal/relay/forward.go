package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
)

// Disposition is what is to be done with a message of RabbitMQ.
type Disposition int

// The dispositions. The zero value loses nothing.
const (
	Requeue    Disposition = iota // leave it to RabbitMQ: a later try may succeed
	Ack                           // Pub/Sub has it
	DeadLetter                    // no try can succeed: keep it where people see it
)

// Delivery is a message of RabbitMQ.
type Delivery struct {
	Queue       string
	Body        []byte
	TraceParent string
	At          time.Time // when it came
}

// Admitter decides whether and where a request may run. Its errors are permanent.
type Admitter interface {
	Decide(queue string, body []byte) (admission.Decision, error)
}

// Requests takes requests to their pools. It returns nil only when Pub/Sub has the request.
type Requests interface {
	Request(ctx context.Context, pool string, r message.Relayed) error
}

// DeadLetters keeps what cannot run. It returns nil only when Pub/Sub has the dead letter.
type DeadLetters interface {
	DeadLetter(ctx context.Context, d message.DeadLetter) error
}

// Events tells what happened, without waiting and at best.
type Events interface {
	Tell(ctx context.Context, e event.Event)
}

// Forwarder decides about deliveries, one at a time or many at once.
type Forwarder struct {
	Admission   Admitter
	Requests    Requests
	DeadLetters DeadLetters
	Reports     *reporting.Sender // nil for none
	Events      Events
}

// Forward publishes the delivery to its pool, or as a dead letter where no retry could help. Ack and DeadLetter come when
// Pub/Sub has it, and the report to a sender who is to know of a refusal; DeadLetter with the *admission.Refusal that says why; Requeue comes with the transient error.
func (f Forwarder) Forward(ctx context.Context, d Delivery) (Disposition, error) {
	decision, err := f.decide(d)
	r := message.Relayed{
		Queue: d.Queue, Pool: decision.Pool.Name, Kind: string(decision.Kind), Experiment: decision.Experiment,
		MessageID: message.ID(d.Body), TraceParent: d.TraceParent, RelayedAt: d.At, Data: d.Body,
	}
	if refusal := (*admission.Refusal)(nil); errors.As(err, &refusal) {
		return f.bury(ctx, r, refusal)
	}
	if err != nil {
		return Requeue, fmt.Errorf("decide about a request of %s: %w", d.Queue, err)
	}
	if err := f.Requests.Request(ctx, r.Pool, r); err != nil {
		return Requeue, err
	}
	f.Events.Tell(ctx, told(event.Relayed, r, event.Data{}))
	return Ack, nil
}

// decide refuses what Pub/Sub could not carry once it has found nothing worse: a sender who has proven no key hears of neither.
func (f Forwarder) decide(d Delivery) (admission.Decision, error) {
	decision, err := f.Admission.Decide(d.Queue, d.Body)
	if err == nil {
		err = admission.CheckSize(len(d.Body), message.MaxData)
	}
	return decision, err
}

func (f Forwarder) bury(ctx context.Context, r message.Relayed, refusal *admission.Refusal) (Disposition, error) {
	// The report comes first: where it cannot be published, the next try makes the same one, and not another dead letter.
	if refusal.Report {
		of := reporting.Subject{Queue: r.Queue, Experiment: r.Experiment, Attempt: r.MessageID, Executor: message.Bridge}
		if err := f.Reports.End(ctx, of, reporting.End{At: r.RelayedAt, Reason: refusal.Detail}); err != nil {
			return Requeue, err
		}
	}
	letter := message.DeadLetter{Relayed: r, Reason: string(refusal.Reason), Detail: refusal.Detail, Stage: message.Bridge}
	if err := f.DeadLetters.DeadLetter(ctx, letter); err != nil {
		return Requeue, err
	}
	f.Events.Tell(ctx, told(event.Refused, r, event.Data{Stage: letter.Stage, Reason: letter.Reason, Detail: letter.Detail}))
	return DeadLetter, refusal
}

// told returns the event of what happened to r.
func told(t event.Type, r message.Relayed, data event.Data) event.Event {
	data.Queue, data.Pool, data.Kind, data.MessageID = r.Queue, r.Pool, r.Kind, r.MessageID
	return event.Event{Type: t, Experiment: r.Experiment, Time: r.RelayedAt, Data: data}
}
