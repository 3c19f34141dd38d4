package doctor

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

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

// waitingLetters looks at the dead letters without touching them.
func (d Deployment) waitingLetters(ctx context.Context) Finding {
	n, known, err := d.metric(ctx, deadLetters, "num_undelivered_messages")
	if err != nil {
		return d.unanswered("Cloud Monitoring", err)
	}
	age, _, err := d.metric(ctx, deadLetters, "oldest_unacked_message_age")
	switch {
	case err != nil:
		return d.unanswered("Cloud Monitoring", err)
	case !known:
		return unmeasured()
	case n > 0:
		return lettersWait(int(n), time.Duration(age)*time.Second)
	}
	return pass("none wait")
}
