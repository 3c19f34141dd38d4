//go:build integration

package client

import (
	"io"
	"net"
	"net/url"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
)

func TestAMessageIsPublishedOnceTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	broker, err := rabbit.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	}()
	way, goneTwice := flakyWay(t, broker.AMQPURL)
	if err := publish(t.Context(), way, "rmq_test", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	<-goneTwice
	conn, err := amqp.Dial(broker.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing depends on it
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if queue, err := channel.QueueDeclarePassive("rmq_test", true, false, false, false, nil); err != nil || queue.Messages != 1 {
		t.Errorf("the queue holds %d messages, %v; want 1", queue.Messages, err)
	}
}

func TestARefusedUserIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		amqp.ErrCredentials: false,
		&amqp.Error{Code: amqp.NotAllowed, Server: true}:              false,
		&net.DNSError{IsNotFound: true}:                               false,
		&amqp.Error{Code: amqp.AccessRefused}:                         false,
		amqp.ErrClosed:                                                true,
		&dialError{err: io.EOF}:                                       true,
		&dialError{err: &net.OpError{Op: "dial", Err: net.ErrClosed}}: true,
		&amqp.Error{Code: amqp.ConnectionForced}:                      true,
	} {
		if got := away(err); got != want {
			t.Errorf("away(%v) = %v", err, got)
		}
	}
}

// flakyWay is an address at which the broker goes away in the midst of the first two connections.
func flakyWay(t *testing.T, amqpURL string) (address string, goneTwice <-chan struct{}) {
	t.Helper()
	u, err := url.Parse(amqpURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // ends the loop below
	gone, broker := make(chan struct{}), u.Host
	go func() {
		for n := 0; ; n++ {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			if n == 2 {
				close(gone)
			}
			if n < 2 {
				_ = from.Close()
				continue
			}
			to, err := net.Dial("tcp", broker) //nolint:noctx // loopback
			if err != nil {
				_ = from.Close()
				continue
			}
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), gone
}
