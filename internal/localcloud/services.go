package localcloud

import (
	"context"
	"fmt"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakepubsub"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/s3face"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// startServices starts Google's services.
func (c *Cloud) startServices(ctx context.Context) (err error) {
	if err := c.startPubSub(ctx); err != nil {
		return err
	}
	outlive := context.WithoutCancel(ctx) // clients are needed until the end
	if c.gcs, err = fakegcs.Start(ctx, []string{store, metadata, otherStore, otherMetadata}, notifier{c.notices}, c.log); err != nil {
		return err
	}
	c.StorageURL = c.gcs.URL
	c.objects, err = storage.NewClient(outlive, option.WithEndpoint(c.gcs.URL+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		return fmt.Errorf("connect to Cloud Storage: %w", err)
	}
	c.s3, err = s3face.Start(ctx, s3face.Options{
		Client: c.objects, Project: project, AccessKey: c.S3AccessKey, Dir: c.folders.parts, Log: c.log,
	})
	if err != nil {
		return err
	}
	c.S3URL = c.s3.URL
	return nil
}

// startPubSub makes the topics and subscriptions of a deployment. Nobody reads studio-events unless asked to, so that
// its readers bring subscriptions of their own.
func (c *Cloud) startPubSub(ctx context.Context) (err error) {
	if c.pubsub, err = fakepubsub.Start(ctx); err != nil {
		return err
	}
	c.PubSubHost = c.pubsub.Addr
	topics := []string{eventsTopic, deadLetterTopic, artifactsTopic, reportsTopic, finalizeDeadLetters}
	subscriptions := []fakepubsub.Subscription{
		{Name: deadLetterTopic, Topic: deadLetterTopic},
		{Name: finalizeSubscription, Topic: artifactsTopic, DeadLetterTopic: finalizeDeadLetters},
		{Name: finalizeDeadLetters, Topic: finalizeDeadLetters},
		{Name: reportsTopic, Topic: reportsTopic, Ordered: true},
	}
	for _, name := range []string{cpuPool, gpuPool} {
		topics = append(topics, pool.Topic(name))
		subscriptions = append(subscriptions, fakepubsub.Subscription{Name: pool.Topic(name), Topic: pool.Topic(name), DeadLetterTopic: deadLetterTopic})
	}
	if err := c.pubsub.Create(ctx, project, topics, subscriptions); err != nil {
		return err
	}
	with, link, err := c.pubsub.Options()
	if err != nil {
		return err
	}
	c.link = link
	if c.messages, err = pubsub.NewClient(context.WithoutCancel(ctx), project, with); err != nil {
		return fmt.Errorf("connect to Pub/Sub: %w", err)
	}
	c.notices, c.letters = c.messages.Publisher(artifactsTopic), c.messages.Publisher(finalizeDeadLetters)
	return nil
}

// A notifier publishes what happens in buckets.
type notifier struct{ topic *pubsub.Publisher }

func (n notifier) Notify(ctx context.Context, note fakegcs.Notification) error {
	_, err := n.topic.Publish(ctx, &pubsub.Message{Data: note.Resource, Attributes: note.Attributes()}).Get(ctx)
	return err
}
