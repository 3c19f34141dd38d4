package doctor

import (
	"cmp"
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
	artifacts   = "studio-artifacts" // is told of new and deleted objects
)

// wanted is a subscription on a topic of its own name.
type wanted struct {
	name              string
	requests, reports bool
	keeps             time.Duration // how long messages are kept, at least
	deadline          int32         // for acknowledgements, in seconds; executors and pushes extend it or are repeated after it
}

// longest is how long Pub/Sub keeps what nobody acknowledges, at most.
// https://cloud.google.com/pubsub/docs/subscription-message-retention
const longest = 31 * 24 * time.Hour

func (d Deployment) subscriptions() (list []wanted) {
	for _, p := range d.Pools {
		list = append(list, wanted{name: pool.Topic(p.Name), requests: true, keeps: longest, deadline: 60})
	}
	return append(list, wanted{name: reports, reports: true, keeps: 24 * time.Hour, deadline: 60},
		wanted{name: deadLetters, keeps: longest, deadline: 600})
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
			if s.AckDeadlineSeconds != want.deadline && !d.local() {
				return Finding{Warn, fmt.Sprintf("the acknowledgement deadline is %d s, not %d s", s.AckDeadlineSeconds, want.deadline), d.mend()}
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
	if !d.local() { // whose Pub/Sub keeps everything for as long as it runs
		kept := s.MessageRetentionDuration.AsDuration()
		must(kept >= want.keeps, "messages are kept for %s, not for %s: older ones are lost", kept, want.keeps)
		must(s.ExpirationPolicy != nil && s.ExpirationPolicy.Ttl == nil, "the subscription goes by itself when nobody reads it for %s", cmp.Or(s.ExpirationPolicy.GetTtl().AsDuration(), longest))
	}
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

func code(err error) codes.Code {
	if answer := (*googleapi.Error)(nil); errors.As(err, &answer) {
		return codeOfHTTP(answer.Code)
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return codes.Unknown
}
