package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// exchange is the clients' (section 1 of the wire format).
const exchange = "StudioML.topic"

const nextBroker = "set AMQP_URL, or `studioctl context set NAME --amqp-url-file FILE`"

// rabbitMQ takes a message through a queue of its own: what clients and the bridge do.
func (d Deployment) rabbitMQ(ctx context.Context) Finding {
	if d.AMQPURL == "" {
		return notHere("nothing says where RabbitMQ is", nextBroker)
	}
	conn, err := d.RabbitMQ()
	if err != nil {
		return fail(err, nextAMQP(err, true))
	}
	defer context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })() // what waits for an answer ends
	began := time.Now()
	// Nobody serves queues of this ending; the end of the connection removes it.
	queue := cmp.Or(d.Queue, "rmq") + "_doctor_" + rand.Text() + "_response"
	err = roundTrip(ctx, conn, queue)
	took := time.Since(began)
	if closeErr := conn.CloseDeadline(time.Now().Add(time.Second)); !errors.Is(closeErr, amqp.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	if err != nil {
		return fail(err, nextAMQP(err, false))
	}
	return pass("declared, bound, published and consumed in %s", took.Round(time.Millisecond))
}

func nextAMQP(err error, connecting bool) string {
	reply := (*amqp.Error)(nil)
	if !errors.As(err, &reply) {
		return "see whether RabbitMQ is up, and its port open from here"
	}
	switch {
	case reply.Code == amqp.AccessRefused && connecting:
		return "mend the user or the password in the AMQP URL"
	case reply.Code == amqp.AccessRefused:
		return "let the user have queues of its prefix and the exchange " + exchange + ": rabbitmqctl set_permissions"
	case reply.Code == amqp.NotAllowed:
		return "mend the virtual host at the end of the AMQP URL, or let the user into it: rabbitmqctl set_permissions"
	case reply.Code == amqp.PreconditionFailed:
		return "the exchange " + exchange + " must be a durable topic exchange that deletes itself: remove it, clients make it anew"
	}
	return "see RabbitMQ's log"
}

func roundTrip(ctx context.Context, conn *amqp.Connection, queue string) error {
	channel, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	if err := channel.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil); err != nil {
		return fmt.Errorf("declare the exchange %s: %w", exchange, err)
	}
	if _, err := channel.QueueDeclare(queue, false, true, true, false, nil); err != nil {
		return fmt.Errorf("declare the queue %s: %w", queue, err)
	}
	if err := channel.QueueBind(queue, "StudioML."+queue, exchange, false, nil); err != nil {
		return fmt.Errorf("bind the queue %s to %s: %w", queue, exchange, err)
	}
	deliveries, err := channel.ConsumeWithContext(ctx, queue, "", true, true, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume from %s: %w", queue, err)
	}
	if err := channel.PublishWithContext(ctx, exchange, "StudioML."+queue, true, false, amqp.Publishing{AppId: "studioml", Body: []byte(queue)}); err != nil {
		return fmt.Errorf("publish to %s: %w", exchange, err)
	}
	select {
	case m, open := <-deliveries:
		if open && string(m.Body) == queue {
			return nil
		}
		return fmt.Errorf("consume from %s: the message did not come: %w", queue, errors.Join(reason(closed), ctx.Err()))
	case r := <-returned:
		return fmt.Errorf("publish to %s: no queue takes it (%s)", exchange, r.ReplyText)
	case <-ctx.Done():
		return fmt.Errorf("consume from %s: %w", queue, ctx.Err())
	}
}

func reason(closed <-chan *amqp.Error) error {
	select {
	case reason := <-closed:
		if reason != nil {
			return reason
		}
	default:
	}
	return amqp.ErrClosed
}

// management lists queues, as the bridge finds its work.
func (d Deployment) management(ctx context.Context) Finding {
	u, err := amqp.ParseURI(d.AMQPURL)
	if d.AMQPURL == "" {
		return notHere("nothing says where RabbitMQ is", nextBroker)
	} else if err != nil {
		return Finding{Fail, "the AMQP URL cannot be read", "it looks like amqp://user:password@host:5672/%2f"}
	}
	scheme := map[string]string{"amqps": "https"}[u.Scheme]
	address := cmp.Or(d.Management, cmp.Or(scheme, "http")+"://"+net.JoinHostPort(u.Host, strconv.Itoa(u.Port+10000)))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/queues/"+url.PathEscape(u.Vhost)+"?columns=name", http.NoBody)
	if err != nil {
		return fail(err, "mend --management-url")
	}
	req.SetBasicAuth(u.Username, u.Password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail(err, "see whether the plugin runs (rabbitmq-plugins enable rabbitmq_management) and its port is open from here")
	}
	defer func() { _ = res.Body.Close() }() // nothing depends on it
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 32<<20))
	switch res.StatusCode {
	case http.StatusOK:
		return pass("lists the queues of the virtual host %s", u.Vhost)
	case http.StatusUnauthorized, http.StatusForbidden:
		return Finding{Fail, "answers " + res.Status, "mend the password, or let the user in: rabbitmqctl set_user_tags USER management"}
	case http.StatusNotFound:
		return Finding{Fail, "answers " + res.Status, "mend the virtual host at the end of the AMQP URL"}
	}
	return Finding{Fail, "answers " + res.Status, "see RabbitMQ's log"}
}
