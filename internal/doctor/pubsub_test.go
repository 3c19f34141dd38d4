package doctor

import (
	"testing"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/protobuf/types/known/durationpb"
)

// messages is Pub/Sub with a deployment's topics.
func messages(t *testing.T, d *Deployment, options ...pstest.ServerReactorOption) *pstest.Server {
	t.Helper()
	server := pstest.NewServer(options...)
	t.Cleanup(func() { _ = server.Close() })
	d.PubSubEmulator = server.Addr
	for _, topic := range []string{"studio-requests-gpu", deadLetters, reports, artifacts} {
		if _, err := server.GServer.CreateTopic(t.Context(), &pb.Topic{Name: d.topicName(topic)}); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// applied is a subscription as Terraform makes it.
func applied(d Deployment, name string) *pb.Subscription {
	s := &pb.Subscription{
		Name: d.subscriptionName(name), Topic: d.topicName(name), AckDeadlineSeconds: 60, ExpirationPolicy: &pb.ExpirationPolicy{},
		MessageRetentionDuration: durationpb.New(31 * 24 * time.Hour),
	}
	switch name {
	case deadLetters:
		s.AckDeadlineSeconds = 600
	case reports:
		s.EnableMessageOrdering, s.MessageRetentionDuration = true, durationpb.New(24*time.Hour)
		s.PushConfig = &pb.PushConfig{PushEndpoint: "https://report.example/"}
	default:
		s.EnableExactlyOnceDelivery = true
		s.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: d.topicName(deadLetters), MaxDeliveryAttempts: 10}
	}
	return s
}

// is answers with a subscription: the fake takes none that keeps messages longer than a week.
type is struct{ *pb.Subscription }

func (s is) React(any) (handled bool, ret any, err error) { return true, s.Subscription, nil }

func TestSubscriptionsAreAsTerraformMakesThem(t *testing.T) {
	t.Parallel()
	const requests = "studio-requests-gpu"
	tests := map[string]struct {
		name   string
		change func(*pb.Subscription)
		status Status
		says   string
	}{
		"requests":               {requests, func(*pb.Subscription) {}, Pass, "as they must be"},
		"reports":                {reports, func(*pb.Subscription) {}, Pass, "as they must be"},
		"dead letters":           {deadLetters, func(*pb.Subscription) {}, Pass, "as they must be"},
		"requests kept a week":   {requests, func(s *pb.Subscription) { s.MessageRetentionDuration = durationpb.New(7 * 24 * time.Hour) }, Fail, "kept for 168h0m0s, not for 744h0m0s"},
		"letters kept a week":    {deadLetters, func(s *pb.Subscription) { s.MessageRetentionDuration = durationpb.New(7 * 24 * time.Hour) }, Fail, "kept for 168h0m0s"},
		"reports kept an hour":   {reports, func(s *pb.Subscription) { s.MessageRetentionDuration = durationpb.New(time.Hour) }, Fail, "not for 24h0m0s"},
		"expires":                {requests, func(s *pb.Subscription) { s.ExpirationPolicy.Ttl = durationpb.New(48 * time.Hour) }, Fail, "goes by itself when nobody reads it for 48h0m0s"},
		"expires by default":     {deadLetters, func(s *pb.Subscription) { s.ExpirationPolicy = nil }, Fail, "goes by itself when nobody reads it for 744h0m0s"},
		"short deadline":         {requests, func(s *pb.Subscription) { s.AckDeadlineSeconds = 10 }, Warn, "deadline is 10 s, not 60 s"},
		"not exactly once":       {requests, func(s *pb.Subscription) { s.EnableExactlyOnceDelivery = false }, Fail, "exactly-once delivery is off"},
		"letters dropped":        {requests, func(s *pb.Subscription) { s.DeadLetterPolicy = nil }, Fail, "dead letters go to"},
		"reports pushed nowhere": {reports, func(s *pb.Subscription) { s.PushConfig = nil }, Fail, "pushes nowhere"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := google(t, nil)
			s := applied(d, tc.name)
			tc.change(s)
			messages(t, &d, pstest.ServerReactorOption{FuncName: "GetSubscription", Reactor: is{s}})
			expect(t, examined(t, d, "pubsub "+tc.name), tc.status, tc.says, "")
		})
	}
}

func TestTheTopicOfArtifactsIsLookedFor(t *testing.T) {
	t.Parallel()
	d := google(t, nil)
	server := messages(t, &d)
	expect(t, examined(t, d, "pubsub "+artifacts), Pass, "is there", "")
	if _, err := server.GServer.DeleteTopic(t.Context(), &pb.DeleteTopicRequest{Topic: d.topicName(artifacts)}); err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "pubsub "+artifacts), Fail, artifacts, "terraform apply")
}
