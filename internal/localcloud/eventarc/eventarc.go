package eventarc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/backoff"
)

const (
	// EventType is that of the events.
	EventType = "google.cloud.storage.object.v1.finalized"
	// ReasonAttribute holds, on a dead letter, why it is one.
	ReasonAttribute = "dead_letter_reason"

	postTimeout = time.Minute
)

// A Trigger is one subscription whose notifications go to one function. All fields are needed.
type Trigger struct {
	Subscription *pubsub.Subscriber
	DeadLetters  *pubsub.Publisher
	URL          string // of the function
	Client       *http.Client
	Attempts     int // before a notification is a dead letter
	Min, Max     time.Duration
	Concurrency  int
	Log          *slog.Logger
}

// Run delivers until ctx is done. What is not delivered then stays in the subscription.
func (t *Trigger) Run(ctx context.Context) error {
	t.Subscription.ReceiveSettings.MaxOutstandingMessages = t.Concurrency
	t.Subscription.ReceiveSettings.NumGoroutines = 1
	err := t.Subscription.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		if err := t.deliver(ctx, m); err != nil {
			t.Log.Warn("notification was not delivered and stays", "object", m.Attributes["objectId"], "error", err)
			m.Nack()
			return
		}
		m.Ack()
	})
	if err != nil {
		return fmt.Errorf("receive notifications: %w", err)
	}
	return nil
}

// deliver returns nil when the notification needs no more: the function took it, or the dead-letter topic has it, or it is of another kind.
func (t *Trigger) deliver(ctx context.Context, m *pubsub.Message) error {
	if m.Attributes["eventType"] != "OBJECT_FINALIZE" {
		return nil
	}
	pause := backoff.Backoff{Min: t.Min, Max: t.Max}
	for attempt := 1; ; attempt++ {
		err := t.post(ctx, m)
		if err == nil {
			return nil
		}
		if attempt == t.Attempts {
			return t.giveUp(ctx, m, err)
		}
		if waitErr := pause.Wait(ctx); waitErr != nil {
			return fmt.Errorf("%w, after %w", waitErr, err)
		}
	}
}

func (t *Trigger) post(ctx context.Context, m *pubsub.Message) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(m.Data))
	if err != nil {
		return fmt.Errorf("make the event: %w", err)
	}
	bucket, object := m.Attributes["bucketId"], m.Attributes["objectId"]
	for name, value := range map[string]string{
		"Content-Type":   "application/json",
		"Ce-Specversion": "1.0",
		"Ce-Id":          m.ID,
		"Ce-Type":        EventType,
		"Ce-Source":      "//storage.googleapis.com/projects/_/buckets/" + bucket,
		"Ce-Subject":     "objects/" + object,
		"Ce-Time":        m.Attributes["eventTime"],
		"Ce-Bucket":      bucket,
	} {
		req.Header.Set(name, value)
	}
	res, err := t.Client.Do(req)
	if err != nil {
		return fmt.Errorf("post the event: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or cut off; nothing depends on it
	said, err := io.ReadAll(io.LimitReader(res.Body, 512))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("the function answered %s: %s", res.Status, bytes.TrimSpace(said))
	}
	return err
}

func (t *Trigger) giveUp(ctx context.Context, m *pubsub.Message, reason error) error {
	attributes := maps.Clone(m.Attributes)
	text := reason.Error()
	attributes[ReasonAttribute] = text[:min(len(text), 1024)]                   // Pub/Sub's limit for a value
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postTimeout) // at the end too: begun is finished
	defer cancel()
	if _, err := t.DeadLetters.Publish(ctx, &pubsub.Message{Data: m.Data, Attributes: attributes}).Get(ctx); err != nil {
		return fmt.Errorf("publish the dead letter: %w", err)
	}
	t.Log.Error("notification is a dead letter", "object", m.Attributes["objectId"], "error", reason)
	return nil
}
