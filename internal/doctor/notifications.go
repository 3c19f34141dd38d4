package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

// notifications looks whether tools downstream, and the local cloud's finalize, are told of new objects.
func (d Deployment) notifications(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.stored(ctx, name, func(b *storage.BucketHandle) Finding {
			return d.asked(ctx, func(c *pubsub.Client) Finding { return d.notified(ctx, b, c) })
		})
	}
}

// notified writes an object and waits to be told of it.
func (d Deployment) notified(ctx context.Context, b *storage.BucketHandle, c *pubsub.Client) (f Finding) {
	s, o := d.subscriptionName("studio-doctor-"+rand.Text()), b.Object(Prefix+rand.Text())
	if _, err := c.SubscriptionAdminClient.CreateSubscription(ctx, d.listening(s, o)); err != nil {
		return d.untried(ctx, b, fmt.Errorf("subscribe to %s: %w", artifacts, err))
	}
	defer func() { f = unsubscribed(ctx, c, s, f) }()
	if err := tryObject(ctx, o); err != nil {
		return fail(err, d.nextBucket(err, b.BucketName()))
	}
	for {
		res, err := c.SubscriptionAdminClient.Pull(ctx, &pb.PullRequest{Subscription: s, MaxMessages: 100})
		if code(err) == codes.PermissionDenied {
			return d.untried(ctx, b, fmt.Errorf("read the subscription: %w", err))
		}
		if err != nil {
			return fail(fmt.Errorf("nobody is told of new objects: %w", err), d.mend())
		}
		for _, m := range res.ReceivedMessages {
			if m.Message.Attributes["objectId"] == o.ObjectName() && m.Message.Attributes["eventType"] == storage.ObjectFinalizeEvent {
				return pass("a new object was told to the topic %s", artifacts)
			}
		}
	}
}

// listening is a subscription that gets the notices of one object, and goes by itself where a doctor was killed: after a day, the
// shortest time that Pub/Sub takes.
func (d Deployment) listening(name string, o *storage.ObjectHandle) *pb.Subscription {
	return &pb.Subscription{
		Name: name, Topic: d.topicName(artifacts), AckDeadlineSeconds: 60,
		Filter:                   fmt.Sprintf("attributes.objectId = %q", o.ObjectName()),
		ExpirationPolicy:         &pb.ExpirationPolicy{Ttl: durationpb.New(24 * time.Hour)},
		MessageRetentionDuration: durationpb.New(10 * time.Minute),
	}
}

func unsubscribed(ctx context.Context, c *pubsub.Client, name string, f Finding) Finding {
	// Also where the time is over: nothing of the check is to stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := c.SubscriptionAdminClient.DeleteSubscription(ctx, &pb.DeleteSubscriptionRequest{Subscription: name})
	if err == nil || f.Status == Fail {
		return f
	}
	return Finding{Warn, fmt.Sprintf("%s; delete the subscription %s: %v", f.Says, name, err),
		"it goes by itself after a day, or: gcloud pubsub subscriptions delete " + path.Base(name)}
}

// untried looks at what is configured, where it cannot be tried.
func (d Deployment) untried(ctx context.Context, b *storage.BucketHandle, why error) Finding {
	if d.local() || code(why) != codes.PermissionDenied {
		return d.unanswered("notifications", why)
	}
	told, err := d.tells(ctx, b, d.topicName(artifacts))
	switch answer := (*googleapi.Error)(nil); {
	case errors.As(err, &answer) && answer.Code == http.StatusForbidden:
		return notHere(fmt.Sprintf("%v; %v", why, err), "sign in as somebody who has roles/pubsub.editor on the project, or at least storage.buckets.get on the bucket")
	case err != nil:
		return fail(err, d.nextBucket(err, b.BucketName()))
	case !told:
		return Finding{Fail, "the bucket tells the topic " + artifacts + " nothing of new objects", d.mend()}
	}
	return notHere(fmt.Sprintf("the bucket is set to tell the topic %s of new objects; whether it does, was not tried: %v", artifacts, why),
		"sign in as somebody who may subscribe: roles/pubsub.editor on the project")
}

// tells looks whether a bucket is set to tell a topic of all its new objects.
func (d Deployment) tells(ctx context.Context, b *storage.BucketHandle, topic string) (bool, error) {
	all, err := b.Notifications(ctx)
	if err != nil {
		return false, fmt.Errorf("read the bucket's notifications: %w", err)
	}
	for _, n := range all {
		told := n.ObjectNamePrefix == "" && (len(n.EventTypes) == 0 || slices.Contains(n.EventTypes, storage.ObjectFinalizeEvent))
		if told && topic == "projects/"+n.TopicProjectID+"/topics/"+n.TopicID {
			return true, nil
		}
	}
	return false, nil
}
