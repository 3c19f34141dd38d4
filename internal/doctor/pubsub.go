package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/googleapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// The names that a deployment has (docs/settings.md).
const (
	deadLetters = "studio-dead-letters"
	reports     = "studio-reports"
	artifacts   = "studio-artifacts" // of the local cloud's notifications
)

// wanted is a subscription on a topic of its own name.
type wanted struct {
	name              string
	requests, reports bool
}

func (d Deployment) subscriptions() (list []wanted) {
	for _, p := range d.Pools {
		list = append(list, wanted{name: pool.Topic(p.Name), requests: true})
	}
	return append(list, wanted{name: reports, reports: true}, wanted{name: deadLetters})
}

func (d Deployment) topicName(name string) string { return "projects/" + d.Project + "/topics/" + name }

func (d Deployment) subscriptionName(name string) string {
	return "projects/" + d.Project + "/subscriptions/" + name
}

// asked connects to Pub/Sub for one question.
func (d Deployment) asked(ctx context.Context, ask func(*pubsub.Client) Finding) Finding {
	c, err := d.PubSub(ctx)
	if err != nil {
		return d.unanswered("Pub/Sub", err)
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	return ask(c)
}

// unanswered tells why a question about the deployment has no answer. Who may not ask has learned nothing about it.
func (d Deployment) unanswered(what string, err error) Finding {
	err = fmt.Errorf("%s: %w", what, err)
	c := code(err)
	if c == codes.NotFound {
		return fail(err, d.mend())
	}
	if c == codes.PermissionDenied || c == codes.Unauthenticated {
		return notHere(err.Error(), "sign in as somebody who may look: gcloud auth application-default login, with roles/viewer on the project")
	}
	if strings.Contains(err.Error(), "could not find default credentials") {
		return notHere(err.Error(), "sign in: gcloud auth application-default login")
	}
	return fail(err, "see with `studioctl context show` whether project and addresses are right, and whether the service is up and its network open from here")
}

func (d Deployment) topic(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.asked(ctx, func(c *pubsub.Client) Finding {
			if err := d.topicThere(ctx, c, name); err != nil {
				return d.unanswered("topic "+name, err)
			}
			return pass("the topic is there")
		})
	}
}

func (d Deployment) topicThere(ctx context.Context, c *pubsub.Client, name string) error {
	_, err := c.TopicAdminClient.GetTopic(ctx, &pb.GetTopicRequest{Topic: d.topicName(name)})
	return err
}

func (d Deployment) subscription(want wanted) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.asked(ctx, func(c *pubsub.Client) Finding {
			if err := d.topicThere(ctx, c, want.name); err != nil {
				return d.unanswered("topic "+want.name, err)
			}
			s, err := c.SubscriptionAdminClient.GetSubscription(ctx, &pb.GetSubscriptionRequest{Subscription: d.subscriptionName(want.name)})
			if err != nil {
				return d.unanswered("subscription "+want.name, err)
			}
			if faults := d.faults(want, s); faults != nil {
				return fail(errors.New(strings.ReplaceAll(faults.Error(), "\n", "; ")), d.mend())
			}
			return pass("the topic and its subscription are as they must be")
		})
	}
}

// faults are what would lose, repeat or mix up messages.
func (d Deployment) faults(want wanted, s *pb.Subscription) (faults error) {
	must := func(holds bool, format string, args ...any) {
		if !holds {
			faults = errors.Join(faults, fmt.Errorf(format, args...))
		}
	}
	must(s.Topic == d.topicName(want.name), "the subscription is on %s, not on the topic of its name", s.Topic)
	must(!s.Detached, "the subscription is detached from its topic")
	must(s.State != pb.Subscription_RESOURCE_ERROR, "Pub/Sub has stopped the subscription: its push endpoint or its rights are wrong")
	must(s.Filter == "", "the subscription drops what its filter %q leaves out", s.Filter)
	if want.requests {
		must(s.EnableExactlyOnceDelivery, "exactly-once delivery is off: an acknowledgement that is lost runs an experiment twice")
		must(s.DeadLetterPolicy.GetDeadLetterTopic() == d.topicName(deadLetters), "dead letters go to %q, not to %s: nobody sees what is given up", s.DeadLetterPolicy.GetDeadLetterTopic(), deadLetters)
		must(s.PushConfig.GetPushEndpoint() == "", "the subscription pushes to %s, so that executors get nothing", s.PushConfig.GetPushEndpoint())
	}
	if want.reports {
		must(s.EnableMessageOrdering, "message ordering is off: reports come in any order")
		must(d.local() || s.PushConfig.GetPushEndpoint() != "", "the subscription pushes nowhere: reports stay where they are")
	}
	return faults
}

// looks are how often dead letters are looked for, half a second each: those that somebody gave back come again after a second.
const looks = 4

// deadLetters looks whether any wait, and for how long.
func (d Deployment) deadLetters(ctx context.Context) Finding {
	if !d.local() {
		return d.waitingLetters(ctx)
	}
	return d.asked(ctx, func(c *pubsub.Client) Finding {
		name := d.subscriptionName(deadLetters)
		var found []*pb.ReceivedMessage
		for range looks {
			res, err := c.SubscriptionAdminClient.Pull(ctx, &pb.PullRequest{Subscription: name, MaxMessages: 100})
			if err != nil {
				return d.unanswered("subscription "+deadLetters, err)
			}
			if found = res.ReceivedMessages; len(found) > 0 {
				break
			}
		}
		if len(found) == 0 {
			return pass("none wait")
		}
		var ids []string
		oldest := time.Now()
		for _, m := range found {
			ids = append(ids, m.AckId)
			if at := m.Message.PublishTime.AsTime(); at.Before(oldest) {
				oldest = at
			}
		}
		back := &pb.ModifyAckDeadlineRequest{Subscription: name, AckIds: ids} // for whoever reads them
		if err := c.SubscriptionAdminClient.ModifyAckDeadline(ctx, back); err != nil {
			return fail(fmt.Errorf("give the dead letters back: %w", err), "they come again by themselves when their deadline has passed")
		}
		return lettersWait(len(ids), time.Since(oldest))
	})
}

func lettersWait(n int, age time.Duration) Finding {
	return Finding{Warn, fmt.Sprintf("%d or more wait, the oldest for %s", n, age.Round(time.Second)),
		"read them, each says why it was given up, and acknowledge them: gcloud pubsub subscriptions pull " + deadLetters}
}

func code(err error) codes.Code {
	if answer := (*googleapi.Error)(nil); errors.As(err, &answer) {
		return codeOfHTTP(answer.Code)
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return codes.Unknown
}
