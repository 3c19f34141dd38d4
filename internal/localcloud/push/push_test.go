package push

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakepubsub"
)

// posted is what the function reads of a message.
type posted struct {
	Message struct {
		Attributes  map[string]string
		Data        []byte
		MessageID   string
		OrderingKey string
		PublishTime time.Time
	}
	Subscription string
}

// Messages of a key are posted in order, each until it is taken; those of other keys do not wait for them.
func TestMessagesOfAKeyArePostedInOrderUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	server, err := fakepubsub.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Create(t.Context(), "p", []string{"reports"}, []fakepubsub.Subscription{{Name: "reports", Topic: "reports", Ordered: true}}); err != nil {
		t.Fatal(err)
	}
	option, link, err := server.Options()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	client, err := pubsub.NewClient(t.Context(), "p", option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })

	const keys, each = 4, 10
	var mu sync.Mutex
	taken, refused, all := map[string][]string{}, map[string]bool{}, make(chan struct{})
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		var p posted
		if err := json.Unmarshal(text, &p); err != nil || p.Subscription != "projects/p/subscriptions/reports" || p.Message.PublishTime.IsZero() ||
			p.Message.Attributes["n"] != string(p.Message.Data) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("posted %s, %v", text, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if !refused[p.Message.MessageID] { // each is refused once
			refused[p.Message.MessageID] = true
			http.Error(w, "not now", http.StatusInternalServerError)
			return
		}
		taken[p.Message.OrderingKey] = append(taken[p.Message.OrderingKey], string(p.Message.Data))
		if len(refused) == keys*each && len(taken[p.Message.OrderingKey]) == each {
			done := 0
			for _, list := range taken {
				done += len(list)
			}
			if done == keys*each {
				close(all)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(function.Close)

	topic := client.Publisher("reports")
	topic.EnableMessageOrdering = true
	t.Cleanup(topic.Stop)
	for n := range each {
		for key := range keys {
			text := fmt.Sprint(n)
			m := &pubsub.Message{Data: []byte(text), Attributes: map[string]string{"n": text}, OrderingKey: fmt.Sprint("k", key)}
			if _, err := topic.Publish(t.Context(), m).Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &Subscription{
		Subscriber: client.Subscriber("reports"), Project: "p", Name: "reports", URL: function.URL, Client: function.Client(),
		Min: time.Millisecond, Max: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-all:
	case <-time.After(time.Minute):
		t.Error("not everything is taken after a minute")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for key, list := range taken {
		for n, text := range list {
			if text != fmt.Sprint(n) {
				t.Errorf("%s took %v; want them in order", key, list)
				break
			}
		}
	}
}
