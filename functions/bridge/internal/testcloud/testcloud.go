// Package testcloud is the Pub/Sub of the bridge's tests: pstest behind a server of its own, on which a test can hold back,
// refuse or count publishes, and which takes messages as large as Pub/Sub does.
//
// It fails the test rather than return errors, and ends with it.
package testcloud

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Project is the project of all topics.
const Project = "studio-test"

// Publish is a publish on its way: next hands it to Pub/Sub.
type Publish func(ctx context.Context, topic string, next func() (any, error)) (any, error)

// Cloud is a fake Pub/Sub.
type Cloud struct {
	Address string // for PUBSUB_EMULATOR_HOST
	fake    *pstest.Server
	hook    atomic.Pointer[Publish]

	mu      sync.Mutex
	counts  map[string]int
	changed chan struct{} // closed at the next publish
}

// Start returns a Pub/Sub with the topics of the given names.
func Start(tb testing.TB, topics ...string) *Cloud {
	tb.Helper()
	c := &Cloud{fake: pstest.NewServer(), counts: map[string]int{}, changed: make(chan struct{})}
	tb.Cleanup(func() { _ = c.fake.Close() })
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c.Address = listener.Addr().String()
	server := grpc.NewServer(grpc.UnaryInterceptor(c.intercept), grpc.MaxRecvMsgSize(11<<20))
	pubsubpb.RegisterPublisherServer(server, &c.fake.GServer)
	tb.Cleanup(server.Stop)
	go func() { _ = server.Serve(listener) }()
	for _, topic := range topics {
		if _, err := c.fake.GServer.CreateTopic(tb.Context(), &pubsubpb.Topic{Name: name(topic)}); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// OnPublish makes every publish from now on pass through hook; nil takes it away.
func (c *Cloud) OnPublish(hook Publish) {
	if hook == nil {
		c.hook.Store(nil)
		return
	}
	c.hook.Store(&hook)
}

func (c *Cloud) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	publish, ok := request.(*pubsubpb.PublishRequest)
	if !ok {
		return handler(ctx, request)
	}
	topic := publish.GetTopic()[len(name("")):]
	next := func() (any, error) {
		response, err := handler(ctx, request)
		if err == nil {
			c.count(topic, len(publish.GetMessages()))
		}
		return response, err
	}
	if hook := c.hook.Load(); hook != nil {
		return (*hook)(ctx, topic, next)
	}
	return next()
}

func (c *Cloud) count(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[topic] += n
	close(c.changed)
	c.changed = make(chan struct{})
}

// Count returns how many messages have been published to the topic in all; Clear does not change it.
func (c *Cloud) Count(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[topic]
}

// Wait returns when n messages in all have been published to the topic.
func (c *Cloud) Wait(tb testing.TB, topic string, n int) {
	tb.Helper()
	for {
		c.mu.Lock()
		count, changed := c.counts[topic], c.changed
		c.mu.Unlock()
		if count >= n {
			return
		}
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			tb.Fatalf("%d messages in %s after 30 s; want %d", count, topic, n)
		}
	}
}

// Client returns a client of the real library.
func (c *Cloud) Client(tb testing.TB) *pubsub.Client {
	tb.Helper()
	conn, err := grpc.NewClient(c.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	client, err := pubsub.NewClient(tb.Context(), Project, option.WithGRPCConn(conn))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Messages returns what was published to a topic, in order.
func (c *Cloud) Messages(topic string) []*pstest.Message {
	var found []*pstest.Message
	for _, m := range c.fake.Messages() {
		if m.Topic == name(topic) {
			found = append(found, m)
		}
	}
	return found
}

// Clear forgets all messages.
func (c *Cloud) Clear() { c.fake.ClearMessages() }

func name(topic string) string { return "projects/" + Project + "/topics/" + topic }
