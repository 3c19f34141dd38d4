package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/googleapis/gax-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"
)

// ErrNoQueue says that a queue is not there.
var ErrNoQueue = errors.New("there is no such queue")

// Response is a message of a response queue, as it came.
type Response struct {
	ID   string // the same where the message comes twice; may be empty
	Body []byte
}

// Responses reads a response queue.
type Responses struct {
	AMQPURL string
	Queue   string // the response queue itself
	Follow  bool   // go on until the context ends; otherwise until the queue is empty
	Ready   func() // called once, when the queue is there and what comes to it is seen; may be nil
	// Take is given each message, and says whether it may leave the queue. One that stays is given back to the queue, in its
	// place, when reading ends; until then nobody else gets it. An error ends the reading, and leaves the message.
	Take func(Response) (taken bool, err error)
}

// lull is how long the queue has to be silent before it is looked at whether it is empty.
const lull = 100 * time.Millisecond

// Read hands over what is in the queue. A message leaves it only after Take has agreed, so that it comes again where reading
// was interrupted in between. A broker that goes away is waited for, as long as by a submission or, following, longer.
func (r Responses) Read(ctx context.Context) error {
	for began := time.Now(); ; {
		heard, err := r.readOnce(ctx)
		if heard {
			began = time.Now()
		}
		switch {
		case ctx.Err() != nil && r.Follow:
			return nil
		case heard && r.Follow && tooLong(err): // what was left is given back by that, and comes again
		case !away(err) || !r.Follow && time.Since(began) > brokerPatience || time.Since(began) > brokerRestart:
			return err
		}
		if ctxErr := gax.Sleep(ctx, brokerPause); ctxErr != nil {
			return errors.Join(err, ctxErr)
		}
	}
}

// tooLong tells that the broker ended the reading since something was left for longer than it lets a reader keep it, which is
// half an hour unless it is told otherwise.
// https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
func tooLong(err error) bool {
	reply := (*amqp.Error)(nil)
	return errors.As(err, &reply) && reply.Code == amqp.PreconditionFailed
}

// brokerRestart is how long a follower waits for a broker, which may be on another machine by then.
const brokerRestart = 5 * time.Minute

// readOnce reads through one connection. heard tells that the queue was there.
func (r *Responses) readOnce(ctx context.Context) (heard bool, err error) {
	conn, err := dial(r.AMQPURL)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // gives back what was not taken
	channel, err := conn.Channel()
	if err != nil {
		return false, fmt.Errorf("open a channel: %w", err)
	}
	if _, err := channel.QueueDeclarePassive(r.Queue, false, false, false, false, nil); err != nil {
		return false, noQueue(r.Queue, err)
	}
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	const consumer = "reports"
	deliveries, err := channel.Consume(r.Queue, consumer, false, false, false, false, nil)
	if err != nil {
		return false, fmt.Errorf("read the queue %s: %w", r.Queue, err)
	}
	if r.Ready != nil {
		r.Ready()
		r.Ready = nil
	}
	silence := time.NewTimer(lull)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, context.Cause(ctx)
		case <-silence.C:
			if r.Follow {
				continue
			}
			if empty, err := isEmpty(channel, r.Queue); err != nil || !empty {
				if err != nil {
					return true, err
				}
				silence.Reset(lull)
				continue
			}
			return true, r.rest(channel, consumer, deliveries)
		case d, open := <-deliveries:
			if !open {
				return true, r.gone(channel, closed)
			}
			if err := r.take(d); err != nil {
				return true, err
			}
			silence.Reset(lull)
		}
	}
}

// rest hands over what had been delivered when the queue was found empty.
func (r *Responses) rest(channel *amqp.Channel, consumer string, deliveries <-chan amqp.Delivery) error {
	if err := channel.Cancel(consumer, false); err != nil {
		return fmt.Errorf("end reading %s: %w", r.Queue, err)
	}
	for d := range deliveries {
		if err := r.take(d); err != nil {
			return err
		}
	}
	return nil
}

func (r *Responses) take(d amqp.Delivery) error {
	taken, err := r.Take(Response{ID: d.MessageId, Body: d.Body})
	if err != nil || !taken {
		return err
	}
	if err := d.Ack(false); err != nil {
		return fmt.Errorf("take a message out of %s: %w", r.Queue, err)
	}
	return nil
}

// gone says why nothing is delivered any more.
func (r *Responses) gone(channel *amqp.Channel, closed <-chan *amqp.Error) error {
	if channel.IsClosed() {
		return fmt.Errorf("read the queue %s: %w", r.Queue, reasonOf(closed))
	}
	return fmt.Errorf("read %s: %w any more: somebody deleted it", r.Queue, ErrNoQueue)
}

func isEmpty(channel *amqp.Channel, queue string) (bool, error) {
	state, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err != nil {
		return false, noQueue(queue, err)
	}
	return state.Messages == 0, nil
}

func noQueue(queue string, err error) error {
	if reply := (*amqp.Error)(nil); errors.As(err, &reply) && reply.Code == amqp.NotFound {
		return fmt.Errorf("look for %s: %w", queue, ErrNoQueue)
	}
	return fmt.Errorf("look for the queue %s: %w", queue, err)
}
