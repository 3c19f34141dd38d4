package report

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// window is how many reports are published before their confirms are waited for.
const window = 128

// channel is a channel of RabbitMQ that confirms and returns.
type channel struct {
	*amqp.Channel
	conn    *amqp.Connection
	returns chan amqp.Return // never full: a window at a time is under way
	closed  chan *amqp.Error
}

func open(conn *amqp.Connection) (*channel, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, errors.Join(fmt.Errorf("ask for confirms: %w", err), ch.Close())
	}
	return &channel{
		Channel: ch, conn: conn, returns: ch.NotifyReturn(make(chan amqp.Return, window)), closed: ch.NotifyClose(make(chan *amqp.Error, 1)),
	}, nil
}

// publish sends the first report alone: where nobody wants it, the others stay here.
func (c *channel) publish(ctx context.Context, key string, reports []message.Report) error {
	for size := 1; len(reports) > 0; size = window {
		now := reports[:min(size, len(reports))]
		if err := c.publishWindow(ctx, key, now); err != nil {
			return err
		}
		reports = reports[len(now):]
	}
	return nil
}

func (c *channel) publishWindow(ctx context.Context, key string, reports []message.Report) error {
	confirms := make([]*amqp.DeferredConfirmation, len(reports))
	for i, one := range reports {
		var err error
		confirms[i], err = c.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, amqp.Publishing{
			AppId: "studioml", ContentType: "text/plain", DeliveryMode: amqp.Persistent, MessageId: one.ID, Body: []byte(one.Body),
		})
		if err != nil {
			return c.because(err)
		}
	}
	for _, confirm := range confirms {
		acked, err := confirm.WaitContext(ctx)
		if err != nil {
			return err
		}
		if !acked {
			return c.because(errors.New("RabbitMQ has not taken it"))
		}
	}
	if len(c.returns) > 0 { // each comes before its confirm
		return errNobody
	}
	return nil
}

// because prefers what the broker said when it closed the channel. An exchange that is gone went with its last queue.
func (c *channel) because(err error) error {
	select {
	case reason := <-c.closed:
		switch {
		case reason == nil:
		case reason.Code == amqp.NotFound:
			return errNobody
		default:
			return reason
		}
	default:
	}
	return err
}
