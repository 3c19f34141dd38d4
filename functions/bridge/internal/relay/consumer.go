package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// consumer takes the messages of one queue over one channel.
type consumer struct {
	queue     Queue
	prefetch  int
	project   string
	forwarder Forwarder
	tally     *tally
	logger    *slog.Logger
}

// run consumes until the intake ends, the queue is deleted or the connection is lost, and returns when every delivery is
// settled or has failed with the work context. Only a consumer that could not begin returns an error.
func (c *consumer) run(intake, work context.Context, conn *amqp.Connection) error {
	channel, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel for %s: %w", c.queue.Name, err)
	}
	// Closing returns to RabbitMQ what was not settled. It fails where the channel or its connection is gone already.
	defer func() { _ = channel.Close() }()
	window := c.queue.prefetch(c.prefetch)
	if err := channel.Qos(window, 0, false); err != nil {
		return fmt.Errorf("set the window of %s: %w", c.queue.Name, err)
	}
	deliveries, err := channel.Consume(c.queue.Name, c.queue.Name, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %s: %w", c.queue.Name, err)
	}
	c.tally.serve(c.queue.Name)
	c.logger.Info("queue served", "queue", c.queue.Name)
	c.serve(intake, work, channel, deliveries, window)
	c.logger.Info("queue left", "queue", c.queue.Name)
	return nil
}

// serve forwards deliveries at once, of which the window of unacknowledged messages allows as many.
func (c *consumer) serve(intake, work context.Context, channel *amqp.Channel, deliveries <-chan amqp.Delivery, window int) {
	inHand := make(chan *pending, window)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		newSettler(c.queue.Name, window, channel, c.tally, c.logger).run(inHand)
	}()
	c.take(intake, work, channel, deliveries, inHand)
	close(inHand)
	<-settled
}

// take gives each delivery to a goroutine of its own. They are kept for further ones, since to publish grows a stack.
func (c *consumer) take(intake, work context.Context, channel *amqp.Channel, deliveries <-chan amqp.Delivery, inHand chan<- *pending) {
	idle := make(chan *pending)
	defer close(idle)
	for {
		select {
		case <-intake.Done():
			// No more come; those that wait in the library go back when the channel closes.
			_ = channel.Cancel(c.queue.Name, false) // fails only where the channel is gone
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			c.tally.touch()
			p := &pending{delivery: d, tag: d.DeliveryTag, done: make(chan struct{})}
			select {
			case idle <- p:
			default:
				go c.carry(work, p, idle)
			}
			inHand <- p
		}
	}
}

// carry handles p and whatever comes next, until nothing can.
func (c *consumer) carry(ctx context.Context, p *pending, next <-chan *pending) {
	for ok := true; ok; p, ok = <-next {
		c.handle(ctx, p)
	}
}

// handle carries one delivery to its disposition.
func (c *consumer) handle(ctx context.Context, p *pending) {
	defer close(p.done)
	d := p.delivery
	p.delivery = amqp.Delivery{} // its body may go before p is settled
	delivery := Delivery{Queue: c.queue.Name, Body: d.Body, TraceParent: traceFrom(d.Headers), At: time.Now()}
	p.disposition, p.err = c.forwarder.Forward(ctx, delivery)
	if refusal := (*admission.Refusal)(nil); p.disposition == DeadLetter && errors.As(p.err, &refusal) {
		c.logger.With(cloudlog.Trace(c.project, delivery.TraceParent)).Warn("request refused", "queue", delivery.Queue,
			"reason", string(refusal.Reason), "detail", refusal.Detail, "message_id", message.ID(delivery.Body))
	}
}
