package worker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// feed is a subscription of a real client over a fake server, with a message in it.
func feed(t *testing.T, data []byte, attributes map[string]string, dial ...grpc.DialOption) (*pstest.Server, *pubsub.Subscriber) {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	conn, err := grpc.NewClient(server.Addr, append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client, err := pubsub.NewClient(t.Context(), "p", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	const topic, sub = "projects/p/topics/studio-requests-cpu", "projects/p/subscriptions/studio-requests-cpu"
	if _, err := client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
		t.Fatal(err)
	}
	_, err = client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: sub, Topic: topic, EnableExactlyOnceDelivery: true, AckDeadlineSeconds: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Publish(topic, data, attributes)
	return server, client.Subscriber(sub)
}

type letterBox struct {
	mu      sync.Mutex
	refuse  bool
	letters []message.DeadLetter
}

func (l *letterBox) DeadLetter(_ context.Context, d message.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters = append(l.letters, d)
	if l.refuse {
		return errors.New("no such topic")
	}
	return nil
}

func (l *letterBox) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.letters)
}

// serve runs the worker's intake until the test has seen what it waits for.
func (b *bundle) serve(sub *pubsub.Subscriber, letters DeadLetters) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.worker.Serve(ctx, sub, letters) }()
	return func() {
		b.t.Helper()
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Serve = %v", err)
		}
	}
}

func acks(server *pstest.Server) (n int) {
	for _, m := range server.Messages() {
		n += m.Acks
	}
	return n
}

func TestMessageWithoutTheBridgesAttributesIsADeadLetterAndAcknowledged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server, sub := feed(t, []byte("x"), map[string]string{"queue": queue})
	letters := &letterBox{}
	stop := b.serve(sub, letters)
	b.await("the acknowledgement", func() bool { return acks(server) == 1 })
	stop()
	if letters.count() != 1 || letters.letters[0].Reason != "malformed" || string(letters.letters[0].Data) != "x" {
		t.Errorf("dead letters = %+v; want one, malformed, with the message's data", letters.letters)
	}
}

func TestMessageWhoseDeadLetterIsNotTakenIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.Lease = 100 * time.Millisecond // the pause before it goes back
	server, sub := feed(t, []byte("x"), nil)
	letters := &letterBox{refuse: true}
	stop := b.serve(sub, letters)
	b.await("a second delivery", func() bool { return letters.count() >= 2 })
	stop()
	if n := acks(server); n != 0 {
		t.Errorf("the message was acknowledged %d times", n)
	}
}

func TestDeliveryIsRunToItsEndAndAcknowledgedAfterTheIntakeEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "import time; print('running'); time.sleep(1)"})
	server, sub := feed(t, m.Data, m.Attributes())
	stop := b.serve(sub, &letterBox{})
	b.await("the claim", func() bool { return len(b.record("k1").Cloud().Attempts) == 1 })
	stop()
	if n := acks(server); n != 1 {
		t.Errorf("the message was acknowledged %d times, want once", n)
	}
	if output, meta := b.output("k1"); meta["studioml-state"] != "final" {
		t.Errorf("output.tar is %q:\n%s", meta["studioml-state"], output)
	}
}

// A task of a job costs as long as it lives; one that has something in hand stays for it, however long that takes.
func TestAnExecutorThatHasNothingToDoLeavesWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.IdleLimit = 500 * time.Millisecond
	m := b.submit(submission{key: "k1", script: "import time; print('running'); time.sleep(1)"})
	server, sub := feed(t, m.Data, m.Attributes())
	if err := b.worker.Serve(t.Context(), sub, &letterBox{}); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, meta := b.output("k1"); meta["studioml-state"] != "final" || acks(server) != 1 {
		t.Errorf("it left with output.tar %q and %d acknowledgements", meta["studioml-state"], acks(server))
	}
}

func TestAcknowledgementThatIsNotAnsweredKeepsNoDeliveryWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.Slots = 1
	release := make(chan struct{})
	silent := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if strings.HasSuffix(method, "/Acknowledge") {
			<-release
		}
		return invoke(ctx, method, req, reply, conn, opts...)
	}
	server, sub := feed(t, []byte("x"), nil, grpc.WithUnaryInterceptor(silent))
	server.Publish("projects/p/topics/studio-requests-cpu", []byte("y"), nil)
	letters := &letterBox{}
	stop := b.serve(sub, letters)
	b.await("both deliveries", func() bool { return letters.count() == 2 })
	close(release)
	stop()
}
