//go:build integration

package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
)

// broker is the RabbitMQ that the package's tests share, each with queues of its own.
var broker *rabbit.Server

func TestMain(m *testing.M) {
	os.Exit(withBroker(m.Run))
}

// withBroker starts the real RabbitMQ around run, and fails without one.
func withBroker(run func() int) (code int) {
	dir, err := os.MkdirTemp("", "report")
	if err == nil {
		broker, err = rabbit.Start(context.Background(), dir, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ:", err)
		return 1
	}
	defer func() {
		if err := errors.Join(broker.Close(), os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, "RabbitMQ:", err)
			code = 1
		}
	}()
	return run()
}

func service(t *testing.T, limit string) *Service {
	t.Helper()
	s := NewService(envconfig.MapLookuper(map[string]string{"AMQP_URL": broker.AMQPURL, "TENANTS": tenantsFile(t), "REPORT_QUEUE_LIMIT": limit}), t.Output())
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// reader makes a response queue as experimenters do.
type reader struct {
	t     *testing.T
	ch    *amqp.Channel
	queue string
}

func dial(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(broker.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func listen(t *testing.T, queue string, durable, exclusive bool) *reader {
	t.Helper()
	r := &reader{t: t, ch: dial(t), queue: queue + "_response"}
	_, declared := r.ch.QueueDeclare(r.queue, durable, false, exclusive, false, nil)
	if err := errors.Join(r.ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil), declared,
		r.ch.QueueBind(r.queue, "StudioML."+r.queue, exchange, false, nil)); err != nil {
		t.Fatal(err)
	}
	return r
}

// read takes what is in the queue.
func (r *reader) read() (all []amqp.Delivery) {
	r.t.Helper()
	for {
		m, ok, err := r.ch.Get(r.queue, true)
		if err != nil {
			r.t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, m)
	}
}

func TestABatchIsPublishedInOrderAsReadersExpect(t *testing.T) {
	t.Parallel()
	s, r := service(t, "10000"), listen(t, "rmq_order", true, false)
	want := batch("rmq_order", "a", 1, slices.Concat([]string{"state"}, many("log", 300), []string{"json", "state!"})...)
	if err := s.Receive(t.Context(), event(t, want)); err != nil {
		t.Fatal(err)
	}
	got := r.read()
	if len(got) != len(want.Reports) {
		t.Fatalf("%d reports; want %d", len(got), len(want.Reports))
	}
	for i, m := range got {
		one := want.Reports[i]
		if m.MessageId != one.ID || string(m.Body) != one.Body || m.ContentType != "text/plain" || m.AppId != "studioml" ||
			m.DeliveryMode != amqp.Persistent || m.RoutingKey != "StudioML.rmq_order_response" {
			t.Fatalf("report %d is %+v; want %+v", i, m, one)
		}
	}
}

func TestAQueueThatNobodyHasMadeIsNotMade(t *testing.T) {
	t.Parallel()
	s := service(t, "10000")
	listen(t, "rmq_other", false, false) // so that there is an exchange
	for i := range 3 {
		if err := s.Receive(t.Context(), event(t, batch("rmq_absent", "a", i*2+1, "state", "log"))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t).QueueDeclarePassive("rmq_absent_response", false, false, false, false, nil); err == nil {
		t.Error("the response queue was made")
	}
}

func TestReportsGoToAQueueThatIsSomebodysAlone(t *testing.T) {
	t.Parallel()
	s, r := service(t, "10000"), listen(t, "rmq_alone", false, true)
	if err := s.Receive(t.Context(), event(t, batch("rmq_alone", "a", 1, "log", "state"))); err != nil {
		t.Fatal(err)
	}
	if got := r.read(); len(got) != 2 {
		t.Errorf("%d reports; want 2", len(got))
	}
}

func TestAFullQueueTakesStatesAndANote(t *testing.T) {
	t.Parallel()
	s, r := service(t, "10"), listen(t, "rmq_full", true, false)
	for first := 1; first <= 201; first += 50 {
		if err := s.Receive(t.Context(), event(t, batch("rmq_full", "a", first, slices.Concat(many("log", 49), []string{"state"})...))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Receive(t.Context(), event(t, batch("rmq_full", "a", 251, "state!"))); err != nil {
		t.Fatal(err)
	}
	reports, notes, missing := 0, 0, 0
	for _, m := range r.read() {
		if lines, _ := leftOut(t, string(m.Body)); lines != "" {
			n := 0
			if _, err := fmt.Sscan(lines, &n); err != nil {
				t.Error(err)
			}
			notes, missing = notes+1, missing+n
			continue
		}
		reports++
	}
	if notes != 2 || reports != 10+6 || missing+reports != 251 {
		t.Errorf("%d reports and %d notes that %d are missing; want 10 lines, 6 states and 2 notes", reports, notes, missing)
	}
}

func TestSeveralAttemptsAtOnceAreEachInOrder(t *testing.T) {
	t.Parallel()
	s, r := service(t, "100000"), listen(t, "rmq_many", true, false)
	var calls sync.WaitGroup
	const attempts, batches = 16, 20
	for a := range attempts {
		calls.Go(func() {
			for n := range batches {
				if err := s.Receive(t.Context(), event(t, batch("rmq_many", fmt.Sprint("a", a), n*10+1, many("log", 10)...))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	next := map[string]int{}
	for _, m := range r.read() {
		attempt, number, _ := strings.Cut(m.MessageId, "/")
		if next[attempt]++; number != fmt.Sprint(next[attempt]) {
			t.Fatalf("%s comes where %d should", m.MessageId, next[attempt])
		}
	}
	for a := range attempts {
		if got := next[fmt.Sprint("a", a)]; got != batches*10 {
			t.Errorf("%d reports of attempt %d; want %d", got, a, batches*10)
		}
	}
}

func TestWhatIsNoBatchIsDroppedAndLogged(t *testing.T) {
	t.Parallel()
	var logs strings.Builder
	s := NewService(envconfig.MapLookuper(map[string]string{"AMQP_URL": broker.AMQPURL, "TENANTS": tenantsFile(t)}), &logs)
	other := event(t, batch("rmq_bad", "a", 1, "state"))
	other.SetType("google.cloud.storage.object.v1.finalized")
	good := batch("rmq_bad", "a", 1, "state")
	if err := errors.Join(s.Receive(t.Context(), eventOf(t, good.Attributes(), []byte("secret"))), s.Receive(t.Context(), eventOf(t, nil, nil)),
		s.Receive(t.Context(), other)); err != nil {
		t.Errorf("Receive = %v; no retry would help", err)
	}
	if n := strings.Count(logs.String(), "dropped what is no batch"); n != 3 || strings.Contains(logs.String(), "secret") {
		t.Errorf("logged %s", logs.String())
	}
}

func TestNothingIsTakenAfterTheShutdown(t *testing.T) {
	t.Parallel()
	s := service(t, "10000")
	if err := errors.Join(s.Shutdown(t.Context()), s.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := s.Receive(t.Context(), event(t, batch("rmq_late", "a", 1, "state"))); !errors.Is(err, errStopped) {
		t.Errorf("Receive = %v; want it to come again", err)
	}
}

// The broker of this test is its own: it dies.
func TestABatchComesAgainUntilTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	own, err := rabbit.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	conn, err := amqp.Dial(own.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	_, declared := ch.QueueDeclare("rmq_q_response", true, false, false, false, nil)
	if err := errors.Join(ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, true, false, false, nil), declared,
		ch.QueueBind("rmq_q_response", "StudioML.rmq_q_response", exchange, false, nil)); err != nil {
		t.Fatal(err)
	}
	s := NewService(envconfig.MapLookuper(map[string]string{"AMQP_URL": own.AMQPURL, "TENANTS": tenantsFile(t)}), t.Output())
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	if err := s.Receive(t.Context(), event(t, batch("rmq_q", "a", 1, "state"))); err != nil {
		t.Fatal(err)
	}
	if err := own.Kill(); err != nil {
		t.Fatal(err)
	}
	second := event(t, batch("rmq_q", "a", 2, "log", "state!"))
	if err := s.Receive(t.Context(), second); err == nil {
		t.Fatal("a batch was taken by a dead broker")
	}
	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; { // until the connection's death is known
		if err = s.Receive(t.Context(), second); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if conn, err = amqp.Dial(own.AMQPURL); err != nil {
		t.Fatal(err)
	}
	if ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, ch: ch, queue: "rmq_q_response"}
	var ids []string
	for _, m := range r.read() {
		ids = append(ids, m.MessageId)
	}
	if want := []string{"a/1", "a/2", "a/end"}; !slices.Equal(slices.Compact(ids), want) {
		t.Errorf("the queue holds %q; want %q", ids, want)
	}
}

// A broker whose memory is used up takes nothing from who publishes, and still sends its heartbeats.
func TestACallEndsThoughTheBrokerTakesNothing(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(ctx context.Context, r *connection) error{
		"asking": func(ctx context.Context, r *connection) error {
			_, err := r.Ready(ctx, "rmq_stuck_response")
			return err
		},
		"publishing": func(ctx context.Context, r *connection) error {
			return r.Publish(ctx, "rmq_stuck_response", batch("rmq_stuck", "a", 1, "state").Reports)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, hold := holdable(t)
			b, err := relay.ParseBroker(address, "")
			if err != nil {
				t.Fatal(err)
			}
			r := &connection{broker: b}
			t.Cleanup(r.close)
			if _, err := r.connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			hold()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- call(ctx, r) }()
			cancel() // the caller has left, too
			select {
			case err := <-ended:
				if err == nil {
					t.Error("a call worked with a broker that takes nothing")
				}
			case <-time.After(5 * closeTimeout):
				t.Error("the call goes on after its caller has left")
			}
		})
	}
}

// holdable is the URL of the broker through a connection that, once held, brings it nothing more.
func holdable(t *testing.T) (address string, hold func()) {
	t.Helper()
	u, err := url.Parse(broker.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	front, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = front.Close() })
	held := make(chan struct{})
	back := u.Host
	go func() {
		client, err := front.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", back)
		if err != nil {
			_ = client.Close()
			return
		}
		go func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		}()
		part := make([]byte, 4<<10)
		for {
			n, err := client.Read(part)
			select {
			case <-held: // keeps the connection, and what came
				<-t.Context().Done()
				err = io.EOF
			default:
			}
			if err == nil {
				_, err = server.Write(part[:n])
			}
			if err != nil {
				_ = server.Close()
				return
			}
		}
	}()
	u.Host = front.Addr().String()
	return u.String(), func() { close(held) }
}
