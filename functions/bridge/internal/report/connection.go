package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

const (
	exchange = "StudioML.topic"

	// depthAge is for how long a queue's depth is believed, together with what was published since.
	depthAge = time.Second

	closeTimeout = 2 * time.Second
)

// connection keeps one connection over all calls, and makes another when it is lost. Each call in hand has a channel of its own.
type connection struct {
	broker relay.Broker

	mu     sync.Mutex
	conn   *amqp.Connection
	free   []*channel
	depths map[string]depth
}

// depth is what is known of a queue.
type depth struct {
	ready int
	at    time.Time
}

// Publish publishes in order and waits until RabbitMQ has confirmed everything.
func (r *connection) Publish(ctx context.Context, queue string, reports []message.Report) error {
	if len(reports) == 0 {
		return nil
	}
	ch, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer guard(ctx, ch.conn)()
	if err := ch.publish(ctx, "StudioML."+queue, reports); err != nil {
		_ = ch.Close() // what it holds is unknown
		return fmt.Errorf("publish reports to %s: %w", queue, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, ch)
	if d, ok := r.depths[queue]; ok {
		d.ready += len(reports)
		r.depths[queue] = d
	}
	return nil
}

// untold are the answers that cost a channel only: there is no such queue, or it is not for us to ask. Publishing tells more.
var untold = []int{amqp.NotFound, amqp.ResourceLocked, amqp.AccessRefused}

// Ready asks for the depth by a passive declaration, which makes nothing. One that fails costs its channel.
func (r *connection) Ready(ctx context.Context, queue string) (int, error) {
	r.mu.Lock()
	known := r.depths[queue]
	r.mu.Unlock()
	if time.Since(known.at) < depthAge {
		return known.ready, nil
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer guard(ctx, conn)()
	ch, err := conn.Channel()
	if err != nil {
		return 0, fmt.Errorf("open a channel: %w", err)
	}
	defer func() { _ = ch.Close() }() // it may be closed already
	ready := 0
	state, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	var refused *amqp.Error
	switch {
	case err == nil:
		ready = state.Messages
	case errors.As(err, &refused) && slices.Contains(untold, refused.Code):
	default:
		return 0, fmt.Errorf("ask for the depth of %s: %w", queue, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.depths == nil || len(r.depths) >= maxAccounts {
		r.depths = map[string]depth{}
	}
	r.depths[queue] = depth{ready: ready, at: time.Now()}
	return ready, nil
}

// take returns a channel that nobody else uses.
func (r *connection) take(ctx context.Context) (*channel, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	for len(r.free) > 0 {
		ch := r.free[len(r.free)-1]
		if r.free = r.free[:len(r.free)-1]; !ch.IsClosed() {
			r.mu.Unlock()
			return ch, nil
		}
	}
	r.mu.Unlock()
	defer guard(ctx, conn)()
	return open(conn)
}

// guard closes the connection where a call does not end soon after ctx has: a broker that takes no bytes holds whoever writes to it
// or waits for its answer, whatever the context says, and a connection like that is of no use to any call.
func guard(ctx context.Context, conn *amqp.Connection) (release func()) {
	released := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-released:
		case <-time.After(closeTimeout):
			_ = conn.CloseDeadline(time.Now())
		}
	})
	return func() {
		close(released)
		stop()
	}
}

// connect returns the connection, a new one where there is none. Several calls wait for the same one.
func (r *connection) connect(ctx context.Context) (*amqp.Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil && !r.conn.IsClosed() {
		return r.conn, nil
	}
	conn, err := r.broker.Dial(ctx)
	if err != nil {
		return nil, err
	}
	r.conn, r.free, r.depths = conn, nil, nil
	return conn, nil
}

// close says goodbye to a broker that may be gone.
func (r *connection) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		_ = r.conn.CloseDeadline(time.Now().Add(closeTimeout)) // everything is confirmed
	}
}
