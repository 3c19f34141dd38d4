//go:build integration

package client

import (
	"io"
	"net"
	"net/url"
	"strings"
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
	const body = `{"experiment":{"key":"k1"}}`
	way, goneThrice := flakyWay(t, broker.AMQPURL, body)
	if err := publish(t.Context(), way, "rmq_test", []byte(body)); err != nil {
		t.Fatal(err)
	}
	<-goneThrice
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

// flakyWay is an address at which the broker goes away at once twice, and then when it is sent body.
func flakyWay(t *testing.T, amqpURL, body string) (address string, goneThrice <-chan struct{}) {
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
			if n == 3 {
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
			var sent io.Writer = to
			if n == 2 {
				sent = breakingOff{to, body}
			}
			go func() { _, _ = io.Copy(sent, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), gone
}

// breakingOff is a way that ends before body.
type breakingOff struct {
	io.Writer
	body string
}

func (b breakingOff) Write(p []byte) (int, error) {
	if strings.Contains(string(p), b.body) {
		return 0, io.ErrClosedPipe
	}
	return b.Writer.Write(p)
}
