//go:build integration

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

const (
	topic = "studio-requests-cpu"
	queue = "rmq_test"
)

// site is a RabbitMQ with one queue, a fake Pub/Sub, and the built program between them.
type site struct {
	t       *testing.T
	program string
	tenants string
	cloud   *testcloud.Cloud
	broker  *rabbit.Server
	channel *amqp.Channel
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, program: filepath.Join(t.TempDir(), "bridge"), tenants: filepath.Join(t.TempDir(), "tenants.json")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.WriteFile(s.tenants, []byte(`{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cloud = testcloud.Start(t, topic, "studio-dead-letters", "studio-events")
	var err error
	if s.broker, err = rabbit.Start(t.Context(), t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.broker.Close() })
	s.connect()
	return s
}

// connect opens the test's own channel and declares the queue.
func (s *site) connect() {
	s.t.Helper()
	conn, err := amqp.Dial(s.broker.AMQPURL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if s.channel, err = conn.Channel(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		s.t.Fatal(err)
	}
}

func request(n int) string {
	return fmt.Sprintf(`{"experiment":{"key":"k%d","filename":"train.py","pythonver":"3.11","resources_needed":{"cpus":1}},"config":{}}`, n)
}

// send puts n requests into the queue.
func (s *site) send(n int) {
	s.t.Helper()
	if err := s.channel.Confirm(false); err != nil {
		s.t.Fatal(err)
	}
	for i := range n {
		sent, err := s.channel.PublishWithDeferredConfirmWithContext(s.t.Context(), "", queue, true, false, amqp.Publishing{Body: []byte(request(i))})
		if err != nil || !sent.Wait() {
			s.t.Fatal("not sent", err)
		}
	}
}

// left returns how many messages are in the queue.
func (s *site) left() int {
	s.t.Helper()
	q, err := s.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return q.Messages
}

// bridge is the running program.
type bridge struct {
	*exec.Cmd
	address string
	logs    *lockedBuffer
}

func (s *site) start(settings ...string) *bridge {
	s.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // the program takes the port
	host, port, _ := net.SplitHostPort(address)
	b := &bridge{Cmd: exec.CommandContext(context.WithoutCancel(s.t.Context()), s.program), address: "http://" + address + "/", logs: &lockedBuffer{}}
	b.Env = []string{
		"HOST=" + host, "PORT=" + port, "PUBSUB_EMULATOR_HOST=" + s.cloud.Address, "GOOGLE_CLOUD_PROJECT=" + testcloud.Project,
		"AMQP_URL=" + s.broker.AMQPURL, "RABBITMQ_MANAGEMENT_URL=" + s.broker.ManagementURL, "TENANTS=" + s.tenants, "CLEAR_TEXT_MESSAGES=true",
		`POOLS=[{"name":"cpu","kind":"run-job","cpus":4,"ram":"8gb","hdd":"20gb"}]`, "RELAY_IDLE=1s", "RELAY_DISCOVERY=100ms",
	}
	b.Env = append(b.Env, settings...)
	b.Stdout, b.Stderr = b.logs, b.logs
	if err := b.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = b.Process.Kill()
		_ = b.Wait()
		if s.t.Failed() {
			s.t.Logf("bridge:\n%s", b.logs)
		}
	})
	return b
}

type answer struct {
	code  int
	body  string
	error error
}

// call calls the function, as soon as the program listens.
func (b *bridge) call(ctx context.Context) <-chan answer {
	answered := make(chan answer, 1)
	go func() {
		for {
			code, body, err := post(ctx, b.address)
			if !errors.Is(err, syscall.ECONNREFUSED) {
				answered <- answer{code, body, err}
				return
			}
			select {
			case <-ctx.Done():
				answered <- answer{error: ctx.Err()}
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return answered
}

func post(ctx context.Context, address string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestABridgeKilledBetweenPublishAndAcknowledgeLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(1)
	published, release := make(chan struct{}), make(chan struct{})
	s.cloud.OnPublish(func(_ context.Context, to string, next func() (any, error)) (any, error) {
		response, err := next()
		if to == topic {
			close(published) // Pub/Sub has it, and nobody knows
			<-release
		}
		return response, err
	})
	first := s.start()
	first.call(t.Context())
	<-published
	if err := first.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // killed
	s.cloud.OnPublish(nil)
	close(release)

	second := <-s.start().call(t.Context())
	if second.error != nil || second.code != http.StatusOK {
		t.Fatalf("second bridge: %+v", second)
	}
	messages := s.cloud.Messages(topic)
	if len(messages) != 2 || s.left() != 0 {
		t.Fatalf("%d messages in Pub/Sub and %d in RabbitMQ; want 2 and 0", len(messages), s.left())
	}
	want := message.ID([]byte(request(0)))
	for _, m := range messages {
		if m.Attributes["message_id"] != want || string(m.Data) != request(0) {
			t.Errorf("message %s, %s; want %s", m.Attributes["message_id"], m.Data, want)
		}
	}
}

func TestABridgeThatIsToldToEndSettlesAndAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(500)
	held, release := make(chan struct{}, 100), make(chan struct{})
	s.cloud.OnPublish(func(_ context.Context, to string, next func() (any, error)) (any, error) {
		if to == topic {
			held <- struct{}{}
			<-release
		}
		return next()
	})
	b := s.start()
	answered := b.call(t.Context())
	<-held
	started := time.Now()
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	close(release)
	got := <-answered
	if err := b.Wait(); err != nil || time.Since(started) > 8*time.Second {
		t.Errorf("the program ended after %v with %v", time.Since(started), err)
	}
	var summary struct {
		Queues map[string]struct{ Relayed int }
		Ended  string
	}
	if err := json.Unmarshal([]byte(got.body), &summary); err != nil || got.code != http.StatusOK || summary.Ended != "shutdown" {
		t.Fatalf("answer %+v, %v", got, err)
	}
	relayed := summary.Queues[queue].Relayed
	if relayed == 0 || relayed+s.left() != 500 || len(s.cloud.Messages(topic)) != relayed {
		t.Errorf("relayed %d, published %d, left %d; want 500 in all", relayed, len(s.cloud.Messages(topic)), s.left())
	}
}

func TestABridgeThatCannotSettleLeavesInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(10)
	held, release := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.cloud.OnPublish(func(_ context.Context, _ string, next func() (any, error)) (any, error) {
		held <- struct{}{}
		<-release
		return next()
	})
	b := s.start()
	b.call(t.Context())
	<-held
	started := time.Now()
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = b.Wait() // it may say that it could not settle
	if took := time.Since(started); took > 9*time.Second {
		t.Errorf("the program ended after %v", took)
	}
	if got := s.left(); got != 10 {
		t.Errorf("%d messages left in RabbitMQ; want 10", got)
	}
}
