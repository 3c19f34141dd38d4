//go:build integration

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"google.golang.org/grpc/codes"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// site is a relay between the real RabbitMQ and a fake Pub/Sub, with queues that only its test has.
type site struct {
	Relay
	t       *testing.T
	server  *rabbit.Server
	cloud   *testcloud.Cloud
	channel *amqp.Channel
	prefix  string
	logs    *lockedBuffer
}

var sites atomic.Int64

func newSite(t *testing.T, server *rabbit.Server) *site {
	t.Helper()
	b, err := ParseBroker(server.AMQPURL+"?connection_attempts=30&retry_delay=.5&socket_timeout=5", server.ManagementURL)
	if err != nil {
		t.Fatal(err)
	}
	cloud := testcloud.Start(t, allTopics()...)
	s := &site{
		t: t, server: server, cloud: cloud, channel: dial(t, server.AMQPURL), prefix: fmt.Sprintf("rmq_site%d_", sites.Add(1)), logs: &lockedBuffer{},
	}
	s.Relay = Relay{
		Config: Config{
			Project: testcloud.Project, Broker: b, Queues: Filter{Match: regexp.MustCompile("^" + s.prefix)},
			Deadline: time.Minute, Idle: time.Second, Discovery: 100 * time.Millisecond, Prefetch: 64,
		},
		Admission: standIn{}, Topics: newTestTopics(t, cloud), Logger: slog.New(slog.NewTextHandler(s.logs, nil)),
	}
	return s
}

// queue declares a durable queue.
func (s *site) queue(name string) string {
	s.t.Helper()
	name = s.prefix + name
	if _, err := s.channel.QueueDeclare(name, true, false, false, false, nil); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// send puts persistent messages into a queue and returns when RabbitMQ has them.
func (s *site) send(queue string, bodies ...string) {
	s.t.Helper()
	channel := dial(s.t, s.server.AMQPURL)
	if err := channel.Confirm(false); err != nil {
		s.t.Fatal(err)
	}
	for _, body := range bodies {
		confirmed, err := channel.PublishWithDeferredConfirmWithContext(s.t.Context(), "", queue, true, false, amqp.Publishing{
			Body: []byte(body), DeliveryMode: amqp.Persistent, Headers: amqp.Table{"traceparent": parent},
		})
		if err != nil || !confirmed.Wait() {
			s.t.Fatalf("send to %s: %v", queue, err)
		}
	}
}

// waiting returns how many messages are in a queue, none of them with a consumer.
func (s *site) waiting(queue string) int {
	s.t.Helper()
	q, err := dial(s.t, s.server.AMQPURL).QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return q.Messages
}

type outcome struct {
	Summary
	err error
}

// start begins a run, which ends with ctx.
func (s *site) start(ctx context.Context) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		summary, err := s.Run(ctx)
		ended <- outcome{summary, err}
	}()
	return ended
}

// identities returns how often each message was published.
func (s *site) identities() map[string]int {
	seen := map[string]int{}
	for _, m := range s.cloud.Messages(cpuTopic) {
		seen[m.Attributes["message_id"]]++
	}
	return seen
}

func requests(n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"key":"k%d"}`, i)
	}
	return bodies
}

func (s *site) mustEqual(what string, got, want any) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %+v; want %+v\n%s", what, got, want, s.logs)
	}
}

func TestRequestsOfAllQueuesAreRelayed(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	a, b, reports := s.queue("a"), s.queue("b"), s.queue("a_response")
	s.send(a, requests(100)...)
	s.send(b, poison, good)
	s.send(reports, "a report")
	got := <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("ended", got.Ended, Idle)
	s.mustEqual("queues", len(got.Queues), 2)
	s.mustEqual("queue a", got.Queues[a], Counts{Relayed: 100})
	s.mustEqual("queue b", got.Queues[b], Counts{Relayed: 1, DeadLettered: 1})
	s.mustEqual("published", len(s.cloud.Messages(cpuTopic)), 101)
	s.mustEqual("dead letters", len(s.cloud.Messages(deadLetters)), 1)
	s.mustEqual("events", len(s.cloud.Messages(eventsTopic)), 102)
	for _, queue := range []string{a, b} {
		s.mustEqual(queue, s.waiting(queue), 0)
	}
	s.mustEqual("reports", s.waiting(reports), 1)
	s.mustEqual("trace", s.cloud.Messages(cpuTopic)[0].Attributes["traceparent"], parent)
	mustContain(t, "log", s.logs.String(), `msg="request refused"`)
}

func TestAQueueThatAppearsIsServed(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	first := s.queue("first")
	s.send(first, good)
	ended := s.start(t.Context())
	s.cloud.Wait(t, cpuTopic, 1)
	later := s.queue("later")
	s.send(later, `{"key":"k2"}`)
	s.cloud.Wait(t, cpuTopic, 2)
	got := <-ended
	s.mustEqual("later", got.Queues[later], Counts{Relayed: 1})
}

func TestADeletedQueueEndsOnlyItsOwnConsumer(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	kept, deleted := s.queue("kept"), s.queue("deleted")
	s.send(kept, `{"key":"k1"}`)
	s.send(deleted, `{"key":"k2"}`)
	ended := s.start(t.Context())
	s.cloud.Wait(t, cpuTopic, 2)
	if _, err := s.channel.QueueDelete(deleted, false, false, false); err != nil {
		t.Fatal(err)
	}
	s.send(kept, `{"key":"k3"}`)
	s.cloud.Wait(t, cpuTopic, 3)
	s.queue("deleted")
	s.send(deleted, `{"key":"k4"}`)
	s.cloud.Wait(t, cpuTopic, 4)
	got := <-ended
	s.mustEqual("error", got.err, nil)
	s.mustEqual("kept", got.Queues[kept], Counts{Relayed: 2})
	s.mustEqual("deleted", got.Queues[deleted].Relayed, int64(2))
}

func TestAQueueDeletedWithMessagesInHandIsHarmless(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	deleted := s.queue("deleted")
	release := make(chan struct{})
	reached := make(chan struct{}, 1)
	s.cloud.OnPublish(func(_ context.Context, topic string, next func() (any, error)) (any, error) {
		if topic == cpuTopic {
			select {
			case reached <- struct{}{}:
			default:
			}
			<-release
		}
		return next()
	})
	s.send(deleted, good)
	ended := s.start(t.Context())
	<-reached
	if _, err := s.channel.QueueDelete(deleted, false, false, false); err != nil {
		t.Fatal(err)
	}
	close(release)
	other := s.queue("other")
	s.send(other, `{"key":"k2"}`)
	got := <-ended
	s.mustEqual("error", got.err, nil)
	s.mustEqual("other", got.Queues[other], Counts{Relayed: 1})
	s.mustEqual("published", len(s.cloud.Messages(cpuTopic)), 2)
}

func TestTwoRelaysShareAQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	queue := s.queue("shared")
	first, second := s.start(t.Context()), s.start(t.Context())
	s.send(queue, requests(1000)...)
	one, two := <-first, <-second
	if one.err != nil || two.err != nil {
		t.Fatal(one.err, two.err)
	}
	s.mustEqual("relayed", one.Queues[queue].Relayed+two.Queues[queue].Relayed, int64(1000))
	s.mustEqual("published", len(s.cloud.Messages(cpuTopic)), 1000)
	s.mustEqual("different", len(s.identities()), 1000)
}

func TestWhatPubSubRefusesStaysInRabbitMQ(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	queue := s.queue("a")
	s.Config.Deadline = 1500 * time.Millisecond
	s.cloud.OnPublish(refusing(cpuTopic, codes.PermissionDenied))
	s.send(queue, requests(200)...)
	got := <-s.start(t.Context())
	if !errors.Is(got.err, ErrPubSub) || got.Queues[queue].Requeued < 64 || got.Queues[queue].Relayed != 0 {
		t.Errorf("Run = %+v, %v; want ErrPubSub", got.Summary, got.err)
	}
	if limit := int64(64 * 2); got.Queues[queue].Requeued > limit {
		t.Errorf("%d messages went back in 1.5 s: a hot loop", got.Queues[queue].Requeued)
	}
	s.mustEqual("left in RabbitMQ", s.waiting(queue), 200)
	s.cloud.OnPublish(nil)
	s.Config.Deadline = time.Minute
	got = <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("relayed", got.Queues[queue], Counts{Relayed: 200})
}

func TestARelayGoesOnWhenPubSubIsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	queue := s.queue("a")
	var refused atomic.Int64
	s.cloud.OnPublish(func(ctx context.Context, topic string, next func() (any, error)) (any, error) {
		if topic == cpuTopic && refused.Add(1) <= 3 {
			return refusing(cpuTopic, codes.PermissionDenied)(ctx, topic, next)
		}
		return next()
	})
	s.send(queue, requests(200)...)
	got := <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("relayed", got.Queues[queue].Relayed, int64(200))
	s.mustEqual("different", len(s.identities()), 200)
	if got.Queues[queue].Requeued == 0 {
		t.Error("nothing went back to RabbitMQ")
	}
}

func TestAPoolWithoutATopicDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	s.Config.Deadline = 2 * time.Second
	queue := s.queue("a")
	s.send(queue, `{"key":"lost","pool":"gpu"}`, good)
	got := <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("relayed", got.Queues[queue].Relayed, int64(1))
	s.mustEqual("left in RabbitMQ", s.waiting(queue), 1)
	mustContain(t, "log", s.logs.String(), "studio-requests-gpu")
}

func TestAMessageThatPubSubCannotCarryIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	queue := s.queue("a")
	s.send(queue, `{"key":"large"}`+strings.Repeat(" ", message.MaxData), good)
	got := <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("queue", got.Queues[queue], Counts{Relayed: 1, DeadLettered: 1})
	s.mustEqual("parts", len(s.cloud.Messages(deadLetters)), 2)
	s.mustEqual("reason", s.cloud.Messages(deadLetters)[0].Attributes["reason"], "too_large")
}

func TestAShutdownLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	queue := s.queue("a")
	s.send(queue, requests(2000)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := s.start(ctx)
	s.cloud.Wait(t, cpuTopic, 1)
	cancel()
	got := <-ended
	s.mustEqual("error", got.err, nil)
	s.mustEqual("ended", got.Ended, Shutdown)
	s.mustEqual("relayed and left", int(got.Queues[queue].Relayed)+s.waiting(queue), 2000)
	s.mustEqual("published", int64(len(s.cloud.Messages(cpuTopic))), got.Queues[queue].Relayed)
}

func TestADeadlineLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	s.Config.Deadline = 300 * time.Millisecond
	queue := s.queue("a")
	s.send(queue, requests(100)...)
	got := <-s.start(t.Context())
	s.mustEqual("error", got.err, nil)
	s.mustEqual("ended", got.Ended, Deadline)
	s.mustEqual("relayed and left", int(got.Queues[queue].Relayed)+s.waiting(queue), 100)
}

func TestAWrongPasswordIsAnErrorThatHidesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	u, err := url.Parse(broker.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guest", "s3cret")
	if s.Config.Broker, err = ParseBroker(u.String(), broker.ManagementURL); err != nil {
		t.Fatal(err)
	}
	got := <-s.start(t.Context())
	if !errors.Is(got.err, ErrRabbitMQ) || strings.Contains(got.err.Error()+s.logs.String(), "s3cret") {
		t.Errorf("Run = %v, log %s", got.err, s.logs)
	}
}

func TestARelayWithoutTheManagementAPIFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, broker)
	var err error
	if s.Config.Broker, err = ParseBroker(broker.AMQPURL, "http://"+closedPort(t)); err != nil {
		t.Fatal(err)
	}
	if got := <-s.start(t.Context()); !errors.Is(got.err, ErrRabbitMQ) {
		t.Errorf("Run = %v; want ErrRabbitMQ", got.err)
	}
}

func TestARelayGoesOnAfterARestartOfRabbitMQ(t *testing.T) {
	t.Parallel()
	own, err := rabbit.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	s := newSite(t, own)
	queue := s.queue("a")
	s.send(queue, requests(3000)...)
	ended := s.start(t.Context())
	s.cloud.Wait(t, cpuTopic, 1)
	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.send(queue, `{"key":"after"}`)
	got := <-ended
	s.mustEqual("error", got.err, nil)
	s.mustEqual("ended", got.Ended, Idle)
	s.mustEqual("different", len(s.identities()), 3001)
	s.mustEqual("left in RabbitMQ", s.waiting(queue), 0)
	mustContain(t, "log", s.logs.String(), `msg="no connection to RabbitMQ"`)
}
