package eventarc_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/eventarc"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakepubsub"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The client libraries leave these behind.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}

const resource = `{"kind":"storage#object","bucket":"store","name":"experiments/k/output.tar"}`

// setup runs a trigger for a function until the test's end and publishes one notification.
func setup(t *testing.T, function http.HandlerFunc) *pubsub.Client {
	t.Helper()
	s, err := fakepubsub.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"artifacts", "dead"}
	if err := s.Create(t.Context(), "p", names, []fakepubsub.Subscription{{Name: "artifacts", Topic: "artifacts"}, {Name: "dead", Topic: "dead"}}); err != nil {
		t.Fatal(err)
	}
	with, conn, err := s.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), "p", with)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(function)
	trigger := &eventarc.Trigger{
		Subscription: client.Subscriber("artifacts"), DeadLetters: client.Publisher("dead"),
		URL: server.URL, Client: server.Client(), Attempts: 3, Min: time.Millisecond, Max: time.Millisecond, Concurrency: 1,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- trigger.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
		trigger.DeadLetters.Stop()
		_, _, _ = client.Close(), conn.Close(), s.Close()
	})
	p := client.Publisher("artifacts")
	defer p.Stop()
	_, err = p.Publish(t.Context(), &pubsub.Message{Data: []byte(resource), Attributes: map[string]string{
		"eventType": "OBJECT_FINALIZE", "bucketId": "store", "objectId": "experiments/k/output.tar", "eventTime": "2026-01-02T03:04:05Z",
	}}).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestNotificationBecomesCloudEventAndIsRetriedUntilTaken(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	var calls atomic.Int32
	setup(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != resource {
			t.Errorf("body = %s, %v; want the resource", body, err)
		}
		for name, want := range map[string]string{
			"ce-specversion": "1.0", "ce-type": "google.cloud.storage.object.v1.finalized",
			"ce-source":  "//storage.googleapis.com/projects/_/buckets/store",
			"ce-subject": "objects/experiments/k/output.tar", "ce-time": "2026-01-02T03:04:05Z", "content-type": "application/json",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s = %q; want %q", name, got, want)
			}
		}
		if r.Header.Get("ce-id") == "" {
			t.Error("ce-id is missing")
		}
		close(taken)
	})
	<-taken
}

func TestNotificationThatIsAlwaysRefusedBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	client := setup(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		http.Error(w, "no such tenant", http.StatusTeapot)
	})
	ctx, cancel := context.WithCancel(t.Context())
	err := client.Subscriber("dead").Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		defer cancel()
		m.Ack()
		if reason := m.Attributes[eventarc.ReasonAttribute]; string(m.Data) != resource || !strings.Contains(reason, "no such tenant") {
			t.Errorf("dead letter = %s, %v; want the notification and the answer", m.Data, m.Attributes)
		}
	})
	if err != nil || calls.Load() != 3 {
		t.Errorf("Receive = %v after %d calls; want 3", err, calls.Load())
	}
}
