package client

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

// Watch hands over the events of a topic as they come, through a subscription of its own that it deletes afterwards; if it
// cannot, Pub/Sub does after a day. ready is called once no event can be missed.
func (d Deployment) Watch(ctx context.Context, topic string, ready func(), handle func(event.Event)) (err error) {
	messages, err := d.PubSub(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = messages.Close() }() // nothing was published
	name := fmt.Sprintf("projects/%s/subscriptions/%s-watch-%s", d.Project, topic, uuid.NewString()[:8])
	_, err = messages.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name: name, Topic: fmt.Sprintf("projects/%s/topics/%s", d.Project, topic), EnableMessageOrdering: true, AckDeadlineSeconds: 10,
		MessageRetentionDuration: durationpb.New(10 * time.Minute),
		ExpirationPolicy:         &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(24 * time.Hour)},
	})
	if err != nil {
		return fmt.Errorf("subscribe to the events of %s: %w", topic, err)
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = messages.SubscriptionAdminClient.DeleteSubscription(after, &pubsubpb.DeleteSubscriptionRequest{Subscription: name}) // expires by itself
	}()
	ready()
	err = messages.Subscriber(name).Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		if e, err := event.Parse(m.Attributes, m.Data); err == nil { // what is no event of ours is not for us
			handle(e)
		}
		m.Ack()
	})
	if err != nil {
		return fmt.Errorf("receive the events of %s: %w", topic, err)
	}
	return nil
}
