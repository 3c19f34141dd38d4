//go:build integration

package relay

import (
	"context"
	"fmt"
	"os"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
)

// broker is the RabbitMQ that the package's tests share, each with queues of its own.
var broker *rabbit.Server

func TestMain(m *testing.M) {
	os.Exit(withBroker(m.Run))
}

// withBroker starts the real RabbitMQ around run, and fails without one.
func withBroker(run func() int) (code int) {
	dir, err := os.MkdirTemp("", "bridge")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if broker, err = rabbit.Start(context.Background(), dir, nil); err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ:", err)
		return 1
	}
	defer func() {
		if err := broker.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "RabbitMQ:", err)
			code = 1
		}
	}()
	return run()
}

// dial returns a channel on a connection of its own.
func dial(tb testing.TB, address string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return channel
}
