package event

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2"
)

// Publisher tells events of one source on one topic. It is safe for use by several goroutines, and does not stop the
// topic's publisher.
type Publisher struct {
	topic  *pubsub.Publisher
	source string
}

// New returns a Publisher to the topic of p, which must not have published yet: New turns its ordering on. The source
// is a URI reference that names the program, like "//studio/executor".
func New(p *pubsub.Publisher, source string) *Publisher {
	p.EnableMessageOrdering = true
	return &Publisher{topic: p, source: source}
}

// Publish tells e and returns nil only when Pub/Sub has it. An error of Pub/Sub is transient.
func (p *Publisher) Publish(ctx context.Context, e Event) error {
	return p.Send(ctx, e)(ctx)
}

// Send begins to tell e without waiting. The function that it returns waits, and returns what [Publisher.Publish] would;
// it must be called once.
func (p *Publisher) Send(ctx context.Context, e Event) (wait func(context.Context) error) {
	return p.send(ctx, e, e.Experiment)
}

// SendUnordered is [Publisher.Send] without an ordering key. Pub/Sub takes one key in a call, so ordered events of many
// experiments take a call each, and these share calls.
func (p *Publisher) SendUnordered(ctx context.Context, e Event) (wait func(context.Context) error) {
	return p.send(ctx, e, "")
}

func (p *Publisher) send(ctx context.Context, e Event, key string) func(context.Context) error {
	e = e.complete()
	e.Source = p.source
	attributes, data, err := e.encode()
	if err != nil {
		return func(context.Context) error { return err }
	}
	result := p.topic.Publish(ctx, &pubsub.Message{Data: data, Attributes: attributes, OrderingKey: key})
	return func(ctx context.Context) error {
		if _, err := result.Get(ctx); err != nil {
			// A failure pauses its ordering key until it is resumed, and the next event of the experiment is worth as much.
			p.topic.ResumePublish(key)
			return fmt.Errorf("publish %s to %s: %w", e.Type, p.topic.ID(), err)
		}
		return nil
	}
}
