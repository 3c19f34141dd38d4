package fakepubsub_test

import (
	"bytes"
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakepubsub"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The client libraries leave these behind.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}

const project = "studio-local"

func setup(t *testing.T) *pubsub.Client {
	t.Helper()
	_, client := serve(t)
	return client
}

func serve(t *testing.T) (*fakepubsub.Server, *pubsub.Client) {
	t.Helper()
	s, err := fakepubsub.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	topics := []string{"work", "dead"}
	subscriptions := []fakepubsub.Subscription{{Name: "work", Topic: "work", DeadLetterTopic: "dead"}, {Name: "dead", Topic: "dead"}}
	for range 2 { // the second time everything exists
		if err := s.Create(t.Context(), project, topics, subscriptions); err != nil {
			t.Fatal(err)
		}
	}
	with, conn, err := s.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), project, with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), conn.Close() })
	return s, client
}

func publish(t *testing.T, client *pubsub.Client, data []byte) {
	t.Helper()
	p := client.Publisher("work")
	defer p.Stop()
	if _, err := p.Publish(t.Context(), &pubsub.Message{Data: data}).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestFirstSubscriberIsTold(t *testing.T) {
	t.Parallel()
	s, client := serve(t)
	here := s.Subscribed(project, "work")
	select {
	case <-here:
		t.Fatal("there is a subscriber already")
	default:
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-here
		cancel()
	}()
	if err := client.Subscriber("work").Receive(ctx, func(_ context.Context, m *pubsub.Message) { m.Ack() }); err != nil {
		t.Error(err)
	}
	<-s.Subscribed(project, "work")
}

func TestMessageOfAlmostTenMegabytesPasses(t *testing.T) {
	t.Parallel()
	client := setup(t)
	sent := bytes.Repeat([]byte("x"), 9_900_000)
	publish(t, client, sent)
	ctx, cancel := context.WithCancel(t.Context())
	err := client.Subscriber("work").Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		defer cancel()
		if !bytes.Equal(m.Data, sent) {
			t.Error("the message came changed")
		}
		if age := time.Since(m.PublishTime); age < 0 || age > time.Minute {
			t.Errorf("published %s ago; want moments", age)
		}
		m.Ack()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRefusedMessageComesAgainAfterPauseAndIsNeverDeadLetteredByCount(t *testing.T) {
	t.Parallel()
	client := setup(t)
	publish(t, client, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	var last time.Time
	err := client.Subscriber("work").Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		if m.DeliveryAttempt == nil {
			t.Error("delivery attempts are not counted")
		}
		if *m.DeliveryAttempt == 3 {
			m.Ack()
			cancel()
			return
		}
		if pause := time.Since(last); pause < 900*time.Millisecond {
			t.Errorf("came again after %s; want a second", pause)
		}
		last = time.Now()
		m.Nack()
	})
	if err != nil {
		t.Error(err)
	}
}

// A subscriber that asks for two messages at a time holds two; the others are there for the next subscriber at once.
func TestSubscriberIsSentNoMoreThanItAskedFor(t *testing.T) {
	t.Parallel()
	client := setup(t)
	const all, atOnce = 10, 2
	for i := range all {
		publish(t, client, []byte(strconv.Itoa(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := make(chan struct{}, all)
	settled := make(chan error, 1)
	go func() {
		greedy := client.Subscriber("work")
		greedy.ReceiveSettings.MaxOutstandingMessages = atOnce
		settled <- greedy.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
			held <- struct{}{}
			<-ctx.Done()
			m.Nack()
		})
	}()
	for range atOnce {
		<-held
	}
	var got atomic.Int32
	second, done := context.WithCancel(t.Context())
	err := client.Subscriber("work").Receive(second, func(_ context.Context, m *pubsub.Message) {
		m.Ack()
		if got.Add(1) == all-atOnce {
			done()
		}
	})
	if err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-settled; err != nil {
		t.Error(err)
	}
}

func TestSignOfLifeSaysWhatDeliveryTheSubscriptionHas(t *testing.T) {
	t.Parallel()
	client := setup(t)
	publish(t, client, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.SubscriptionAdminClient.StreamingPull(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const name = "projects/" + project + "/subscriptions/work"
	if err := stream.Send(&pubsubpb.StreamingPullRequest{Subscription: name, StreamAckDeadlineSeconds: 60, ProtocolVersion: 1}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"a message", "a sign of life"} {
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if !res.SubscriptionProperties.GetExactlyOnceDeliveryEnabled() {
			t.Errorf("%s says that delivery is not exactly-once", what)
		}
		if err := stream.Send(&pubsubpb.StreamingPullRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}
