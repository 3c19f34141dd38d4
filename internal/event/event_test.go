package event

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// setup returns a Publisher to a topic of a fake Pub/Sub.
func setup(t *testing.T, options ...pstest.ServerReactorOption) (*Publisher, *pstest.Server) {
	t.Helper()
	server := pstest.NewServer(options...)
	t.Cleanup(func() { _ = server.Close() })
	conn, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), "p", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	topic := &pubsubpb.Topic{Name: "projects/p/topics/studio-events"}
	if _, err := client.TopicAdminClient.CreateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	p := client.Publisher("studio-events")
	t.Cleanup(p.Stop)
	return New(p, "//studio/test"), server
}

// full returns an event of the type with every field that any type may have.
func full(typ Type) Event {
	zero := 0
	return Event{Type: typ, Experiment: "key", Time: time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC), Data: Data{
		Attempt: "a1", Queue: "rmq_test", Pool: "cpu", Kind: "sealed", MessageID: strings.Repeat("0f", 32), Executor: "pod-1", Stage: "executor",
		Outcome: "completed", Reason: "bad_signature", Detail: "Sign it.", ExitCode: &zero, Generation: 7, Size: 10240, Python: "3.11.9",
		Cached: true, Seconds: 1.5,
	}}
}

func schema(t *testing.T, typ Type) *jsonschema.Schema {
	t.Helper()
	name := strings.TrimPrefix(string(typ), "ml.studio.experiment.") + ".json"
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != string(typ) {
		t.Errorf("the schema of %s says that it is of %s", typ, s.Title)
	}
	return s
}

func TestEveryPublishedEventFollowsItsSchema(t *testing.T) {
	t.Parallel()
	p, server := setup(t)
	for _, typ := range Types() {
		if err := p.Publish(t.Context(), full(typ)); err != nil {
			t.Fatal(err)
		}
	}
	published := server.Messages()
	if len(published) != len(Types()) {
		t.Fatalf("%d events; want %d", len(published), len(Types()))
	}
	for i, typ := range Types() {
		data, err := jsonschema.UnmarshalJSON(bytes.NewReader(published[i].Data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(t, typ).Validate(data); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestASchemaRefusesAnEventThatSaysNothing(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		if err := schema(t, typ).Validate(map[string]any{}); err == nil {
			t.Errorf("the schema of %s takes an empty object", typ)
		}
	}
}

func TestEverySchemaIsOfAType(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "events", "*.json"))
	if err != nil || len(files) != len(Types()) {
		t.Errorf("%d schemas, %v; want one for each of %d types", len(files), err, len(Types()))
	}
}

func TestAnEventIsACloudEventInBinaryMode(t *testing.T) {
	t.Parallel()
	p, server := setup(t)
	if err := p.Publish(t.Context(), full(Finished)); err != nil {
		t.Fatal(err)
	}
	m := server.Messages()[0]
	for name, want := range map[string]string{
		"ce-specversion": "1.0", "ce-type": "ml.studio.experiment.finished.v1", "ce-source": "//studio/test", "ce-subject": "key",
		"ce-time": "2026-01-02T03:04:05.006Z", "content-type": "application/json",
	} {
		if got := m.Attributes[name]; got != want {
			t.Errorf("attribute %s = %q; want %q", name, got, want)
		}
	}
	if m.OrderingKey != "key" || m.Attributes["ce-id"] == "" {
		t.Errorf("ordering key %q, id %q", m.OrderingKey, m.Attributes["ce-id"])
	}
	got, err := Parse(m.Attributes, m.Data)
	if err != nil || got.Type != Finished || got.Data.Experiment != "key" || *got.Data.ExitCode != 0 || !got.Time.Equal(full(Finished).Time) {
		t.Errorf("Parse = %+v, %v", got, err)
	}
}

func TestTheSameFactHasTheSameID(t *testing.T) {
	t.Parallel()
	first, later, other := full(Relayed), full(Relayed), full(Relayed)
	later.Time = later.Time.Add(time.Hour)
	other.Data.MessageID = strings.Repeat("1e", 32)
	if first.complete().ID != later.complete().ID {
		t.Error("the same fact told later has another id")
	}
	if first.complete().ID == other.complete().ID || first.complete().ID == full(Claimed).complete().ID {
		t.Error("different facts share an id")
	}
}

func TestAnEventOfASealedRequestHasNoSubject(t *testing.T) {
	t.Parallel()
	p, server := setup(t)
	e := full(Relayed)
	e.Experiment = ""
	if err := p.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	m := server.Messages()[0]
	if _, ok := m.Attributes["ce-subject"]; ok || m.OrderingKey != "" {
		t.Errorf("attributes %v, ordering key %q", m.Attributes, m.OrderingKey)
	}
}

func TestAnUnorderedEventKeepsItsSubject(t *testing.T) {
	t.Parallel()
	p, server := setup(t)
	if err := p.SendUnordered(t.Context(), full(Relayed))(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := server.Messages()[0]; m.OrderingKey != "" || m.Attributes["ce-subject"] != "key" {
		t.Errorf("ordering key %q, attributes %v", m.OrderingKey, m.Attributes)
	}
}

func TestAFailedEventDoesNotStopTheNext(t *testing.T) {
	t.Parallel()
	p, server := setup(t)
	server.SetAutoPublishResponse(false)
	server.AddPublishResponse(nil, status.Error(codes.PermissionDenied, "no"))
	if err := p.Publish(t.Context(), full(Claimed)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("Publish = %v; want code PermissionDenied", err)
	}
	server.SetAutoPublishResponse(true)
	if err := p.Publish(t.Context(), full(Started)); err != nil {
		t.Errorf("the experiment's next event: %v", err)
	}
}

func TestAnEventWithoutATypeIsInvalid(t *testing.T) {
	t.Parallel()
	p, _ := setup(t)
	if err := p.Publish(t.Context(), Event{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("Publish = %v; want ErrInvalid", err)
	}
}

func TestWhatIsNoEventIsInvalid(t *testing.T) {
	t.Parallel()
	tests := map[string]func(attributes map[string]string, data *string){
		"no id":           func(a map[string]string, _ *string) { delete(a, "ce-id") },
		"no type":         func(a map[string]string, _ *string) { delete(a, "ce-type") },
		"another version": func(a map[string]string, _ *string) { a["ce-specversion"] = "0.3" },
		"unreadable time": func(a map[string]string, _ *string) { a["ce-time"] = "now" },
		"unreadable data": func(_ map[string]string, d *string) { *d = "[" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attributes := map[string]string{"ce-id": "1", "ce-type": string(Started), "ce-source": "s", "ce-specversion": "1.0"}
			data := "{}"
			if _, err := Parse(attributes, []byte(data)); err != nil {
				t.Fatal(err)
			}
			spoil(attributes, &data)
			if got, err := Parse(attributes, []byte(data)); !errors.Is(err, ErrInvalid) {
				t.Errorf("Parse = %+v, %v; want ErrInvalid", got, err)
			}
		})
	}
}
