package message

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const topic = "projects/p/topics/studio-dead-letters"

// setup returns a Publisher to a topic of a fake Pub/Sub, which has no topic unless create.
func setup(t *testing.T, create bool, options ...pstest.ServerReactorOption) (*Publisher, *pstest.Server) {
	t.Helper()
	fake := pstest.NewServer(options...)
	t.Cleanup(func() { _ = fake.Close() })
	conn, err := grpc.NewClient(serve(t, fake), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), "p", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if create {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
	}
	p := client.Publisher(topic)
	t.Cleanup(p.Stop)
	return NewPublisher(p), fake
}

// serve gives the fake a server that takes as much as Pub/Sub does, which its own, with gRPC's 4 MiB, does not.
func serve(t *testing.T, fake *pstest.Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0") //nolint:noctx // listens for the test's whole life
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(10 << 20))
	pubsubpb.RegisterPublisherServer(server, &fake.GServer)
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String()
}

func TestADeadLetterIsPublishedWithItsReason(t *testing.T) {
	t.Parallel()
	p, server := setup(t, true)
	d := DeadLetter{Relayed: relayed(), Reason: "no_fit", Detail: "No pool has 16 GPUs.", Stage: Bridge}
	if err := p.DeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	published := server.Messages()
	if len(published) != 1 {
		t.Fatalf("%d messages; want 1", len(published))
	}
	got, err := DeadLetterFrom(published[0].Attributes, published[0].Data)
	if err != nil || got.Reason != "no_fit" || !equal(got.Relayed, d.Relayed) {
		t.Errorf("published %+v, %v", got, err)
	}
}

func TestARequestIsPublishedUntouched(t *testing.T) {
	t.Parallel()
	p, server := setup(t, true)
	if err := p.Request(t.Context(), relayed()); err != nil {
		t.Fatal(err)
	}
	published := server.Messages()[0]
	if got, err := FromAttributes(published.Attributes, published.Data); err != nil || !equal(got, relayed()) {
		t.Errorf("published %+v, %v", got, err)
	}
}

func TestWhatPubSubCannotTakeWholeGoesInParts(t *testing.T) {
	t.Parallel()
	p, server := setup(t, true)
	d := DeadLetter{Relayed: relayed(), Reason: "too_large", Stage: Bridge}
	d.Data, d.MessageID = bytes.Repeat([]byte("0123456789"), MaxData/10*2+1), ""
	if err := p.DeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var parts []DeadLetter
	for _, published := range server.Messages() {
		part, err := DeadLetterFrom(published.Attributes, published.Data)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	whole, err := Join(parts...)
	if err != nil || !bytes.Equal(whole.Data, d.Data) || len(parts) != 3 {
		t.Errorf("%d parts joined to %d bytes, %v; want 3 parts and %d bytes", len(parts), len(whole.Data), err, len(d.Data))
	}
}

func TestADeadLetterOfTheGreatestSizeGoesWhole(t *testing.T) {
	t.Parallel()
	p, server := setup(t, true)
	d := DeadLetter{Relayed: relayed(), Reason: "malformed", Stage: Bridge, Detail: string(make([]byte, 4096))}
	d.Data, d.MessageID = make([]byte, MaxData), ""
	if err := p.DeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if got := len(server.Messages()); got != 1 {
		t.Errorf("%d messages; want 1", got)
	}
}

func TestAPublishThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		create  bool
		options []pstest.ServerReactorOption
		want    codes.Code
	}{
		"no topic": {want: codes.NotFound},
		"no permission": {create: true, want: codes.PermissionDenied, options: []pstest.ServerReactorOption{
			pstest.WithErrorInjection("Publish", codes.PermissionDenied, "no"),
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := setup(t, tc.create, tc.options...)
			if err := p.DeadLetter(t.Context(), DeadLetter{Relayed: relayed()}); status.Code(err) != tc.want {
				t.Errorf("DeadLetter = %v; want code %v", err, tc.want)
			}
			if err := p.Request(t.Context(), relayed()); status.Code(err) != tc.want {
				t.Errorf("Request = %v; want code %v", err, tc.want)
			}
		})
	}
}

func TestAPublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p, _ := setup(t, true, pstest.WithErrorInjection("Publish", codes.Unavailable, "down"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p.topic.PublishSettings.Timeout = time.Second
	if err := p.DeadLetter(ctx, DeadLetter{Relayed: relayed()}); err == nil {
		t.Error("DeadLetter = nil while Pub/Sub is down")
	}
}
