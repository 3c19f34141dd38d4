package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/googleapis/gax-go/v2"
	amqp "github.com/rabbitmq/amqp091-go"
)

// exchange, routing and properties are the Python client's (section 1 of the wire format).
const exchange = "StudioML.topic"

// A broker that is restarted is back within seconds; the Python client, too, goes on trying (connection_attempts=30 and
// retry_delay=.5 are in the URLs of its users).
const (
	brokerPatience = 15 * time.Second
	brokerPause    = 500 * time.Millisecond
)

// publish puts a message into a queue, which it declares and binds, and returns once the broker has confirmed it. It waits for a
// broker that is away: a message that is published again because its confirmation was lost is harmless, since its experiment is
// claimed once.
func publish(ctx context.Context, amqpURL, queue string, body []byte) error {
	for began := time.Now(); ; {
		err := publishOnce(ctx, amqpURL, queue, body)
		if time.Since(began) > brokerPatience || !away(err) {
			return err
		}
		if ctxErr := gax.Sleep(ctx, brokerPause); ctxErr != nil {
			return errors.Join(err, ctxErr)
		}
	}
}

// away tells whether the broker is not there, or went away, so that it may be back soon.
func away(err error) bool {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return dns.Temporary()
	}
	if reply := (*amqp.Error)(nil); errors.As(err, &reply) {
		// The library reports a connection that broke off as a reply, too, only not as the broker's own.
		return reply.Code == amqp.ConnectionForced || !reply.Server && reply.Code != amqp.AccessRefused
	}
	network := (*net.OpError)(nil)
	return errors.As(err, &network) || errors.Is(err, io.EOF)
}

func publishOnce(ctx context.Context, amqpURL, queue string, body []byte) (err error) {
	conn, err := dial(amqpURL)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := conn.Close(); closeErr != nil && !errors.Is(closeErr, amqp.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("close the connection to RabbitMQ: %w", closeErr))
		}
	}()
	if err := declare(conn, queue); err != nil {
		return err
	}
	channel, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := channel.Confirm(false); err != nil {
		return fmt.Errorf("ask for publisher confirms: %w", err)
	}
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, exchange, "StudioML."+queue, true, false, amqp.Publishing{
		AppId: "studioml", ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body,
	})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", queue, err)
	}
	acked, err := confirm.WaitContext(ctx)
	if err != nil {
		return fmt.Errorf("wait for RabbitMQ to confirm the message for %s: %w", queue, err)
	}
	if !acked && channel.IsClosed() { // the library takes what it never heard of for returned and refused
		return fmt.Errorf("wait for RabbitMQ to confirm the message for %s: %w", queue, reasonOf(closed))
	}
	select {
	case r := <-returned: // comes before the confirmation
		return fmt.Errorf("publish to %s: no queue takes the routing key StudioML.%s (%s)", queue, queue, r.ReplyText)
	default:
	}
	if !acked {
		return fmt.Errorf("publish to %s: RabbitMQ refused the message; its log says why", queue)
	}
	return nil
}

// reasonOf is why a channel is closed.
func reasonOf(closed <-chan *amqp.Error) error {
	select {
	case reason := <-closed:
		if reason != nil {
			return reason
		}
	default:
	}
	return amqp.ErrClosed
}

// declare makes the exchange, the queue if it is not there in whatever form, and the binding.
func declare(conn *amqp.Connection, queue string) error {
	channel, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := channel.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil); err != nil {
		return fmt.Errorf("declare the exchange %s: %w", exchange, err)
	}
	if _, err = channel.QueueDeclarePassive(queue, false, false, false, false, nil); err != nil {
		if channel, err = conn.Channel(); err != nil { // the refusal closed the channel
			return fmt.Errorf("open a channel: %w", err)
		}
		if _, err = channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare the queue %s: %w", queue, err)
		}
	}
	if err := channel.QueueBind(queue, "StudioML."+queue, exchange, false, nil); err != nil {
		return fmt.Errorf("bind the queue %s to %s: %w", queue, exchange, err)
	}
	return channel.Close()
}

// RabbitMQ connects to the deployment's broker. The caller closes it.
func (d Deployment) RabbitMQ() (*amqp.Connection, error) { return dial(d.AMQPURL) }

// dial connects without the query, which belongs to the Python client's library, and without the password in errors.
func dial(amqpURL string) (*amqp.Connection, error) {
	u, err := url.Parse(amqpURL)
	if err != nil || u.Host == "" {
		return nil, errors.New("the AMQP URL cannot be read: it looks like amqp://user:password@host:5672/%2f")
	}
	u.RawQuery = ""
	conn, err := amqp.DialConfig(u.String(), amqp.Config{Heartbeat: 10 * time.Second, Dial: amqp.DefaultDial(10 * time.Second)})
	if err != nil {
		password, _ := u.User.Password()
		return nil, &dialError{host: u.Host, user: u.User.Username(), password: password, err: err}
	}
	return conn, nil
}

// dialError prints without the password, whatever the library put into its error.
type dialError struct {
	host, user, password string
	err                  error
}

func (e *dialError) Unwrap() error { return e.err }

func (e *dialError) Error() string {
	reason := e.err.Error()
	if e.password != "" {
		reason = strings.ReplaceAll(reason, e.password, "[redacted]")
	}
	return fmt.Sprintf("connect to RabbitMQ at %s as %s: %s", e.host, e.user, reason)
}
