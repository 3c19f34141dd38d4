package finalizer

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"cloud.google.com/go/storage"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

func TestMain(m *testing.M) {
	// The clients start a worker for the process, which nothing ends.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const (
	store    = "lab-store"
	metadata = "lab-metadata"
	key      = "1530054413_key"
	output   = "experiments/" + key + "/output.tar"
)

// bundle is the function with the real clients over fakes of both services.
type bundle struct {
	*Finalizer
	t        *testing.T
	client   *storage.Client
	wire     *wire
	pubsub   *pstest.Server
	logs     *bytes.Buffer
	unwell   atomic.Bool // Pub/Sub refuses to publish
	attempts int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, logs: &bytes.Buffer{}}
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	for _, name := range []string{store, metadata, "foreign"} {
		server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
	}
	b.wire = &wire{to: server.HTTPClient().Transport}
	if b.client, err = storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: b.wire}), option.WithoutAuthentication()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.client.Close() })
	tenants, err := tenant.Parse([]byte(`{"tenants":[{"prefix":"rmq_lab","store":"` + store + `","metadata":"` + metadata + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	b.Finalizer = &Finalizer{
		Tenants: func() *tenant.Set { return tenants }, Objects: GCS{b.client}, Records: record.New(b.client, time.Now),
		Events: b.topic(), Logger: cloudlog.New(b.logs, -4, "finalize"),
	}
	return b
}

func (b *bundle) topic() *event.Publisher {
	b.t.Helper()
	b.pubsub = pstest.NewServer(pstest.ServerReactorOption{FuncName: "Publish", Reactor: b})
	b.t.Cleanup(func() { _ = b.pubsub.Close() })
	conn, err := grpc.NewClient(b.pubsub.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	client, err := pubsub.NewClient(b.t.Context(), "studio-test", option.WithGRPCConn(conn))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = client.Close() })
	topic := &pubsubpb.Topic{Name: "projects/studio-test/topics/studio-events"}
	if _, err := client.TopicAdminClient.CreateTopic(b.t.Context(), topic); err != nil {
		b.t.Fatal(err)
	}
	publisher := client.Publisher("studio-events")
	publisher.PublishSettings.DelayThreshold = time.Millisecond
	b.t.Cleanup(publisher.Stop)
	return event.New(publisher, source)
}

// React implements pstest.Reactor.
func (b *bundle) React(any) (handled bool, ret any, err error) {
	if !b.unwell.Load() {
		return false, nil, nil
	}
	return true, &pubsubpb.PublishResponse{}, status.Error(codes.PermissionDenied, "not now")
}

func (b *bundle) put(bucket, name string, content []byte, meta map[string]string) {
	b.t.Helper()
	w := b.client.Bucket(bucket).Object(name).NewWriter(context.WithoutCancel(b.t.Context()))
	w.Metadata = meta
	if _, err := w.Write(content); err != nil {
		b.t.Error(err)
	}
	if err := w.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bundle) clientWrites(text string) { b.put(metadata, "experiments/"+key, []byte(text), nil) }

func (b *bundle) claim() string {
	b.t.Helper()
	b.attempts++
	c, err := b.Records.(*record.Store).Claim(b.t.Context(), record.Ref{Bucket: metadata, Key: key}, record.Claimant{
		Executor: "pod-" + strconv.Itoa(b.attempts), LeaseTTL: time.Nanosecond,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return c.Attempt
}

// upload stores an output as an attempt does; "" is another producer.
func (b *bundle) upload(attempt, state, text string) {
	b.t.Helper()
	b.put(store, output, archive(b.t, "output", text), meta(attempt, state))
}

func meta(attempt, state string) map[string]string {
	if attempt == "" {
		return nil
	}
	m := map[string]string{record.MetaExperiment: key, record.MetaAttempt: attempt, record.MetaState: state, record.MetaExecutor: "pod-1"}
	if state == record.StateFinal {
		m[record.MetaOutcome], m[record.MetaExitCode], m[record.MetaReason] = "failed", "3", "The program ended with exit code 3."
	}
	return m
}

// archive packs names and contents in turns; all are modified a second after each other.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: "./" + files[i], Mode: 0o644, Size: int64(len(files[i+1])), ModTime: time.Unix(1e9+int64(i), 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func notify(bucket, name string) cloudevents.Event {
	e := cloudevents.NewEvent()
	e.SetID("1")
	e.SetType(typeFinalized)
	e.SetSource("//storage.googleapis.com/projects/_/buckets/" + bucket)
	_ = e.SetData(cloudevents.ApplicationJSON, map[string]string{"bucket": bucket, "name": name, "generation": "1"})
	return e
}

// receive delivers the event of the output, which must be acknowledged.
func (b *bundle) receive() {
	b.t.Helper()
	if err := b.Receive(b.t.Context(), notify(store, output)); err != nil {
		b.t.Errorf("Receive = %v", err)
	}
}

func (b *bundle) record() *record.Record {
	b.t.Helper()
	r, err := b.Records.(*record.Store).Read(b.t.Context(), record.Ref{Bucket: metadata, Key: key})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bundle) generation(name string) int64 {
	b.t.Helper()
	o, err := b.Objects.Stat(b.t.Context(), store, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return o.Generation
}

// told returns what was published.
func (b *bundle) told() []event.Event {
	b.t.Helper()
	var events []event.Event
	for _, m := range b.pubsub.Messages() {
		e, err := event.Parse(m.Attributes, m.Data)
		if err != nil || m.OrderingKey != key {
			b.t.Errorf("message %v with key %q: %v", m.Attributes, m.OrderingKey, err)
		}
		events = append(events, e)
	}
	return events
}

func (b *bundle) document() string {
	b.t.Helper()
	return string(b.record().Cloud().Document)
}

func object(text string) (m map[string]any) {
	_ = json.Unmarshal([]byte(text), &m)
	return m
}

// wire counts what is downloaded and lets a test act before requests.
type wire struct {
	to     http.RoundTripper
	before atomic.Pointer[func(*http.Request)]
	bytes  atomic.Int64
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if do := w.before.Load(); do != nil {
		(*do)(r)
	}
	resp, err := w.to.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		w.bytes.Add(resp.ContentLength)
	}
	return resp, err
}
