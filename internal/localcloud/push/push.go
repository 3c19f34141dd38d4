// Package push posts a subscription's messages to a function, as Pub/Sub's push subscriptions do.
//
// Each message is one POST of the JSON that Pub/Sub wraps it in; a success acknowledges it, anything else lets it come again after a
// pause. Messages of one ordering key are posted one after the other, each once the one before it was acknowledged.
// https://cloud.google.com/pubsub/docs/push
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/backoff"
)

// ackDeadline is how long the function may take.
const ackDeadline = time.Minute

// successes are the answers that acknowledge.
var successes = []int{http.StatusProcessing, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}

// A Subscription is one whose messages go to one function. All fields are needed.
type Subscription struct {
	Subscriber    *pubsub.Subscriber
	Project, Name string
	URL           string // of the function
	Client        *http.Client
	Min, Max      time.Duration // pauses
	Log           *slog.Logger
}

// Run delivers until ctx is done. What is not delivered then stays in the subscription.
func (s *Subscription) Run(ctx context.Context) error {
	s.Subscriber.ReceiveSettings.NumGoroutines = 1
	err := s.Subscriber.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		if err := s.deliver(ctx, m); err != nil {
			s.Log.Warn("message was not delivered and stays", "subscription", s.Name, "error", err)
			m.Nack()
			return
		}
		m.Ack()
	})
	if err != nil {
		return fmt.Errorf("receive from %s: %w", s.Name, err)
	}
	return nil
}

// deliver posts until the function takes the message or ctx ends. The real service would take the message back meanwhile, and those
// after it; to post the same one again is what comes of it.
func (s *Subscription) deliver(ctx context.Context, m *pubsub.Message) error {
	body, err := s.wrap(m)
	if err != nil {
		return err
	}
	pause := backoff.Backoff{Min: s.Min, Max: s.Max}
	for {
		if err = s.post(ctx, body); err == nil {
			return nil
		}
		s.Log.Warn("message was not taken, it is posted again", "subscription", s.Name, "message", m.ID, "error", err)
		if waitErr := pause.Wait(ctx); waitErr != nil {
			return fmt.Errorf("%w, after %w", waitErr, err)
		}
	}
}

// wrapped is what Pub/Sub posts: the names of both styles for what it has told longest.
type wrapped struct {
	Message      wrappedMessage `json:"message"`
	Subscription string         `json:"subscription"`
}

type wrappedMessage struct {
	Attributes   map[string]string `json:"attributes,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	MessageID    string            `json:"messageId"`
	MessageID2   string            `json:"message_id"`
	OrderingKey  string            `json:"orderingKey,omitempty"`
	PublishTime  time.Time         `json:"publishTime"`
	PublishTime2 time.Time         `json:"publish_time"`
}

func (s *Subscription) wrap(m *pubsub.Message) ([]byte, error) {
	body, err := json.Marshal(wrapped{
		Message: wrappedMessage{
			Attributes: m.Attributes, Data: m.Data, MessageID: m.ID, MessageID2: m.ID, OrderingKey: m.OrderingKey,
			PublishTime: m.PublishTime, PublishTime2: m.PublishTime,
		},
		Subscription: "projects/" + s.Project + "/subscriptions/" + s.Name,
	})
	if err != nil {
		return nil, fmt.Errorf("wrap message %s: %w", m.ID, err)
	}
	return body, nil
}

func (s *Subscription) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, ackDeadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "CloudPubSub-Google")
	res, err := s.Client.Do(req)
	if err != nil {
		return fmt.Errorf("post the message: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or cut off; nothing depends on it
	said, err := io.ReadAll(io.LimitReader(res.Body, 512))
	if err == nil && !slices.Contains(successes, res.StatusCode) {
		err = fmt.Errorf("the function answered %s: %s", res.Status, bytes.TrimSpace(said))
	}
	return err
}
