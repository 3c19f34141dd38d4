package report

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	wire "github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// errNobody is returned for reports that no queue takes.
var errNobody = errors.New("nobody wants the reports")

// queues is RabbitMQ.
type queues interface {
	// Publish returns nil when the queue has all of the reports, in order, and errNobody when there is no such queue.
	Publish(ctx context.Context, queue string, reports []message.Report) error
	// Ready returns how many messages wait in the queue, 0 where there is none or it does not tell.
	Ready(ctx context.Context, queue string) (int, error)
}

// carrier decides what of a batch is published.
type carrier struct {
	queues queues
	sender *reporting.Sender // for its keys
	limit  int
	logger *slog.Logger
	now    func() time.Time
	missed *missed
	nobody *tally
}

// carry publishes a batch. An error asks for its redelivery.
func (c *carrier) carry(ctx context.Context, batch message.Reports) error {
	queue := wire.ResponseQueue(batch.Queue)
	kept, left, err := c.choose(ctx, queue, batch)
	if err != nil {
		return err
	}
	err = c.queues.Publish(ctx, queue, kept)
	if errors.Is(err, errNobody) {
		if n, due := c.nobody.add(queue, len(kept), c.now()); due {
			c.logger.Info("reports dropped, nobody has made their queue", "response_queue", queue, "count", n)
		}
		return nil
	}
	if err == nil {
		c.missed.settle(batch.Attempt, left)
	}
	return err
}

// choose leaves out what a queue that nobody reads should not hold, and says so in its place.
func (c *carrier) choose(ctx context.Context, queue string, batch message.Reports) ([]message.Report, account, error) {
	before := c.missed.of(batch.Attempt)
	now := account{said: before.said, unsaid: before.unsaid}
	ready, err := c.ready(ctx, queue, batch.Reports)
	if err != nil {
		return nil, now, err
	}
	kept := make([]message.Report, 0, len(batch.Reports)+1)
	at, dropped, last := 0, false, false
	for _, one := range batch.Reports {
		last = last || one.ID == reporting.EndID(batch.Attempt)
		if !c.fits(one.Kind, ready+len(kept)) {
			if !dropped {
				at, dropped = len(kept), true
			}
			now.unsaid.Add(one.Kind)
			continue
		}
		kept = append(kept, one)
	}
	if now.unsaid.Any() && (!before.said || !dropped || last) {
		if note, ok := c.note(batch, now.unsaid); ok {
			kept = append(kept[:at], append([]message.Report{note}, kept[at:]...)...)
		}
		now.unsaid = reporting.LeftOut{}
	}
	now.said, now.over = dropped, last
	return kept, now, nil
}

// ready asks only where the answer matters.
func (c *carrier) ready(ctx context.Context, queue string, reports []message.Report) (int, error) {
	for _, one := range reports {
		if one.Kind != message.StateReport {
			return c.queues.Ready(ctx, queue)
		}
	}
	return 0, nil
}

func (c *carrier) fits(kind string, waiting int) bool {
	switch kind {
	case message.LogReport:
		return waiting < c.limit
	case message.JSONReport:
		return waiting < 2*c.limit
	default:
		return true
	}
}

// tooMany is why reports are left out.
const tooMany = "too many reports wait in their queue: read them"

// note is the bridge's own report. Without a key there is nobody to read it.
func (c *carrier) note(batch message.Reports, left reporting.LeftOut) (message.Report, bool) {
	key := c.sender.Key(batch.Queue)
	if key == nil {
		return message.Report{}, false
	}
	of := reporting.Subject{Queue: batch.Queue, Experiment: batch.Experiment, Attempt: batch.Attempt, Executor: message.Bridge}
	body, err := wire.Seal(left.Report(of, c.now(), tooMany), key)
	if err != nil {
		c.logger.Error("left out reports are not told", "response_queue", wire.ResponseQueue(batch.Queue), "error", err)
		return message.Report{}, false
	}
	// The first report of the batch tells it from other notes, and a redelivery makes the same.
	return message.Report{ID: batch.Reports[0].ID + "/left-out", Kind: message.LogReport, Body: body}, true
}
