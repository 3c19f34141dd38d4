package client

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// CreateResponseQueue makes the response queue, by which an experimenter asks for reports, and binds it where they are
// published. It outlives the broker's restart if the queue of the requests does, or is not there yet. A response queue that is
// there stays in whatever form it has.
func CreateResponseQueue(amqpURL, requests, responses string) (err error) {
	conn, err := dial(amqpURL)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := conn.Close(); closeErr != nil && !errors.Is(closeErr, amqp.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("close the connection to RabbitMQ: %w", closeErr))
		}
	}()
	there, err := exists(conn, responses)
	if err != nil {
		return err
	}
	durable := true
	if !there {
		if durable, err = isDurable(conn, requests); err != nil {
			return err
		}
	}
	channel, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if !there {
		if _, err := channel.QueueDeclare(responses, durable, false, false, false, nil); err != nil {
			return fmt.Errorf("make the queue %s: %w", responses, err)
		}
	}
	if err := channel.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil); err != nil {
		return fmt.Errorf("declare the exchange %s: %w", exchange, err)
	}
	if err := channel.QueueBind(responses, "StudioML."+responses, exchange, false, nil); err != nil {
		return fmt.Errorf("bind the queue %s to %s: %w", responses, exchange, err)
	}
	return nil
}

// exists asks on a channel of its own, which the broker closes where the queue is not there.
func exists(conn *amqp.Connection, queue string) (bool, error) {
	channel, err := conn.Channel()
	if err != nil {
		return false, fmt.Errorf("open a channel: %w", err)
	}
	_, err = channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err == nil {
		return true, channel.Close()
	}
	if err = noQueue(queue, err); errors.Is(err, ErrNoQueue) {
		return false, nil
	}
	return false, err
}

// isDurable finds out how a queue was declared, which AMQP does not tell: declared otherwise, it is refused.
// https://www.rabbitmq.com/docs/queues#property-equivalence
func isDurable(conn *amqp.Connection, queue string) (bool, error) {
	there, err := exists(conn, queue)
	if err != nil || !there {
		return true, err
	}
	channel, err := conn.Channel()
	if err != nil {
		return false, fmt.Errorf("open a channel: %w", err)
	}
	_, err = channel.QueueDeclare(queue, true, false, false, false, nil)
	if reply := (*amqp.Error)(nil); errors.As(err, &reply) && reply.Code == amqp.PreconditionFailed {
		return !strings.Contains(reply.Reason, "'durable'"), nil // it may differ in something else, such as a quorum queue's type
	}
	if err != nil {
		return false, fmt.Errorf("look how the queue %s is kept: %w", queue, err)
	}
	return true, channel.Close()
}
