package message

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/pubsub/v2"
)

// Publisher puts requests and dead letters on one topic. It is safe for use by several goroutines, and neither starts
// nor stops the topic's publisher.
type Publisher struct {
	topic *pubsub.Publisher
	limit int // bytes of data in one message
}

// NewPublisher returns a Publisher to the topic of p.
func NewPublisher(p *pubsub.Publisher) *Publisher {
	return &Publisher{topic: p, limit: MaxData}
}

// Request publishes r and returns nil only when Pub/Sub has it. An error is transient unless r is over [MaxData]; after
// ctx has ended Pub/Sub may have the message all the same.
func (p *Publisher) Request(ctx context.Context, r Relayed) error {
	result := p.topic.Publish(ctx, &pubsub.Message{Data: r.Data, Attributes: r.Attributes()})
	if _, err := result.Get(ctx); err != nil {
		return fmt.Errorf("publish request to %s: %w", p.topic.ID(), err)
	}
	return nil
}

// Reports publishes a batch in order with the others of its attempt, and returns nil only when Pub/Sub has it. The topic's publisher
// must have message ordering enabled. Its errors are transient, unless the batch is over [MaxData]; after one, the batch may have
// arrived all the same, and is to be published again before any other of the attempt.
func (p *Publisher) Reports(ctx context.Context, r Reports) error {
	data, err := r.Data()
	if err != nil {
		return err
	}
	result := p.topic.Publish(ctx, &pubsub.Message{Data: data, Attributes: r.Attributes(), OrderingKey: r.Attempt})
	if _, err := result.Get(ctx); err != nil {
		p.topic.ResumePublish(r.Attempt) // a failure pauses the key
		return fmt.Errorf("publish reports to %s: %w", p.topic.ID(), err)
	}
	return nil
}

// DeadLetter publishes d and returns nil only when Pub/Sub has all of it. Data over Pub/Sub's limit goes in numbered
// parts, which [Join] puts together. A retry after an error repeats the parts that arrived.
func (p *Publisher) DeadLetter(ctx context.Context, d DeadLetter) error {
	parts := d.split(p.limit)
	results := make([]*pubsub.PublishResult, len(parts))
	for i, part := range parts {
		results[i] = p.topic.Publish(ctx, &pubsub.Message{Data: part.Data, Attributes: part.Attributes()})
	}
	var errs []error
	for _, result := range results {
		_, err := result.Get(ctx)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("publish dead letter to %s: %w", p.topic.ID(), err)
	}
	return nil
}
