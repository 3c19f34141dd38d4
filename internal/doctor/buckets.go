package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
)

// Prefix begins the names of the objects that the doctor writes; no hop acts on them.
const Prefix = "studio-doctor/"

// stored connects to Cloud Storage for one question.
func (d Deployment) stored(ctx context.Context, bucket string, ask func(*storage.BucketHandle) Finding) Finding {
	c, err := d.Storage(ctx)
	if err != nil {
		return d.unanswered("Cloud Storage", err)
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	return ask(c.Bucket(bucket))
}

// bucket writes an object, reads it and deletes it: the rights that clients need, by using them.
func (d Deployment) bucket(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.stored(ctx, name, func(b *storage.BucketHandle) Finding {
			if err := tryObject(ctx, b.Object(Prefix+rand.Text())); err != nil {
				return fail(err, d.nextBucket(err, name))
			}
			return pass("an object was written, read and deleted")
		})
	}
}

func tryObject(ctx context.Context, o *storage.ObjectHandle) (err error) {
	if err := write(ctx, o); err != nil {
		return err
	}
	defer func() {
		// Also where the time is over: nothing of the check is to stay.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if deleteErr := o.Delete(ctx); deleteErr != nil {
			err = errors.Join(err, fmt.Errorf("delete the object %s: %w", o.ObjectName(), deleteErr))
		}
	}()
	r, err := o.NewReader(ctx)
	if err != nil {
		return fmt.Errorf("read an object: %w", err)
	}
	defer func() { _ = r.Close() }() // nothing depends on it
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err == nil && string(text) != o.ObjectName() {
		err = errors.New("it holds another text than was written")
	}
	if err != nil {
		return fmt.Errorf("read an object: %w", err)
	}
	return nil
}

func write(ctx context.Context, o *storage.ObjectHandle) error {
	w := o.NewWriter(ctx)
	_, err := io.WriteString(w, o.ObjectName())
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("write an object: %w", err)
	}
	return nil
}

func (d Deployment) nextBucket(err error, bucket string) string {
	answer := (*googleapi.Error)(nil)
	switch {
	case errors.Is(err, storage.ErrBucketNotExist), errors.As(err, &answer) && answer.Code == http.StatusNotFound:
		return "mend the bucket's name (`studioctl context show`), or " + d.mend()
	case errors.As(err, &answer) && (answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized):
		return "let who signed in here use it: gcloud storage buckets add-iam-policy-binding gs://" + bucket + " --role roles/storage.objectUser --member …"
	}
	return "see with `studioctl context show` whether the address is right, and whether the service is up and its network open from here"
}

// notifications looks whether finalize is told of new objects.
func (d Deployment) notifications(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.stored(ctx, name, func(b *storage.BucketHandle) Finding {
			if d.local() {
				return d.asked(ctx, func(c *pubsub.Client) Finding { return d.notified(ctx, b, c) })
			}
			return d.configured(ctx, b)
		})
	}
}

// configured looks for the notification that Eventarc's trigger makes.
func (d Deployment) configured(ctx context.Context, b *storage.BucketHandle) Finding {
	all, err := b.Notifications(ctx)
	if answer := (*googleapi.Error)(nil); errors.As(err, &answer) && answer.Code == http.StatusForbidden {
		return notHere(err.Error(), "sign in as somebody who has storage.buckets.get on the bucket")
	}
	if err != nil {
		return fail(fmt.Errorf("read the bucket's notifications: %w", err), d.nextBucket(err, b.BucketName()))
	}
	for _, n := range all {
		if n.ObjectNamePrefix == "" && (len(n.EventTypes) == 0 || slices.Contains(n.EventTypes, storage.ObjectFinalizeEvent)) {
			return pass("new objects are told to the topic %s", n.TopicID)
		}
	}
	return Finding{Fail, "nobody is told of new objects, so that no record is brought up to date", d.mend()}
}

// notified writes an object and waits to be told of it.
func (d Deployment) notified(ctx context.Context, b *storage.BucketHandle, c *pubsub.Client) (f Finding) {
	s, o := d.subscriptionName("studio-doctor-"+rand.Text()), b.Object(Prefix+rand.Text())
	if _, err := c.SubscriptionAdminClient.CreateSubscription(ctx, &pb.Subscription{Name: s, Topic: d.topicName(artifacts), AckDeadlineSeconds: 60}); err != nil {
		return d.unanswered("subscribe to "+artifacts, err)
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := c.SubscriptionAdminClient.DeleteSubscription(after, &pb.DeleteSubscriptionRequest{Subscription: s}); err != nil {
			f = fail(fmt.Errorf("delete the subscription %s: %w", s, err), "start `studioctl local` again")
		}
	}()
	if err := tryObject(ctx, o); err != nil {
		return fail(err, d.nextBucket(err, b.BucketName()))
	}
	for {
		res, err := c.SubscriptionAdminClient.Pull(ctx, &pb.PullRequest{Subscription: s, MaxMessages: 100})
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
