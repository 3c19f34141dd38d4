package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

const (
	good   = `{"key":"k1"}`
	poison = `{"key":`
	parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

func delivery(body string) Delivery {
	return Delivery{Queue: "rmq_test", Body: []byte(body), TraceParent: parent, At: time.Now()}
}

// refusing makes Pub/Sub refuse publishes to one topic.
func refusing(topic string, code codes.Code) func(context.Context, string, func() (any, error)) (any, error) {
	return func(_ context.Context, to string, next func() (any, error)) (any, error) {
		if to == topic {
			return nil, status.Error(code, "no")
		}
		return next()
	}
}

// A delivery is acknowledged only when Pub/Sub has the request, and dead-lettered only when no retry could help and Pub/Sub
// has the dead letter.
func TestForward(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body   string
		refuse string // topic to which Pub/Sub refuses to publish
		absent bool   // there are no topics at all
		admit  Admitter
		want   Disposition
		code   codes.Code // of the error
		reason admission.Reason
	}{
		"published":                       {body: good, want: Ack},
		"malformed":                       {body: poison, want: DeadLetter, reason: admission.Malformed},
		"larger than Pub/Sub takes":       {body: good + strings.Repeat(" ", message.MaxData), want: DeadLetter, reason: admission.TooLarge},
		"larger, and malformed":           {body: string(make([]byte, message.MaxData+1)), want: DeadLetter, reason: admission.Malformed},
		"publishing is forbidden":         {body: good, refuse: cpuTopic, want: Requeue, code: codes.PermissionDenied},
		"the pool has no topic":           {body: `{"pool":"gpu"}`, want: Requeue, code: codes.NotFound},
		"there is no topic at all":        {body: good, absent: true, want: Requeue, code: codes.NotFound},
		"the dead letter is refused":      {body: poison, refuse: deadLetters, want: Requeue, code: codes.PermissionDenied},
		"dead letters have no topic":      {body: poison, absent: true, want: Requeue, code: codes.NotFound},
		"no decision":                     {body: good, admit: undecided{}, want: Requeue, code: codes.Unknown},
		"the event is refused":            {body: good, refuse: eventsTopic, want: Ack},
		"the event of a refusal is, too":  {body: poison, refuse: eventsTopic, want: DeadLetter, reason: admission.Malformed},
		"as large as Pub/Sub may take it": {body: `{"key":"k1"}` + string(bytes.Repeat([]byte(" "), message.MaxData-12)), want: Ack},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := allTopics()
			if tc.absent {
				topics = nil
			}
			b := setup(t, topics...)
			b.cloud.OnPublish(refusing(tc.refuse, codes.PermissionDenied))
			if tc.admit != nil {
				b.Admission = tc.admit
			}
			got, err := b.Forward(t.Context(), delivery(tc.body))
			if got != tc.want {
				t.Errorf("Forward = %v, %v; want %v", got, err, tc.want)
			}
			refusal := (*admission.Refusal)(nil)
			if errors.As(err, &refusal) != (tc.reason != "") || (refusal != nil && refusal.Reason != tc.reason) {
				t.Errorf("refusal %v; want %q", refusal, tc.reason)
			}
			if tc.reason == "" && status.Code(err) != tc.code {
				t.Errorf("error %v; want code %v", err, tc.code)
			}
			b.teller.flush()
		})
	}
}

func TestForwardRequeuesWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	b := setup(t, allTopics()...)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	b.cloud.OnPublish(func(_ context.Context, _ string, next func() (any, error)) (any, error) {
		cancel()
		<-release
		return next()
	})
	defer close(release)
	if got, err := b.Forward(ctx, delivery(good)); got != Requeue || !errors.Is(err, context.Canceled) {
		t.Errorf("Forward = %v, %v; want Requeue", got, err)
	}
}

func TestAForwardedRequestIsUntouched(t *testing.T) {
	t.Parallel()
	b := setup(t, allTopics()...)
	d := delivery(`{ "key" : "k1", "n": 1.50, "key": "k1" }`)
	if got, err := b.Forward(t.Context(), d); got != Ack {
		t.Fatalf("Forward = %v, %v", got, err)
	}
	m := b.cloud.Messages(cpuTopic)[0]
	r, err := message.FromAttributes(m.Attributes, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Data, d.Body) || r.Queue != d.Queue || r.Pool != "cpu" || r.Kind != message.Clear || r.Experiment != "k1" ||
		r.TraceParent != parent || !r.RelayedAt.Equal(d.At.UTC()) {
		t.Errorf("published %+v", r)
	}
}

func TestADeadLetterSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t, allTopics()...)
	if got, err := b.Forward(t.Context(), delivery(poison)); got != DeadLetter {
		t.Fatalf("Forward = %v, %v", got, err)
	}
	m := b.cloud.Messages(deadLetters)[0]
	d, err := message.DeadLetterFrom(m.Attributes, m.Data)
	if err != nil || d.Reason != "malformed" || d.Detail != "The request is not JSON." || d.Stage != message.Bridge || string(d.Data) != poison {
		t.Errorf("dead letter %+v, %v", d, err)
	}
}

func TestAForwardedRequestIsTold(t *testing.T) {
	t.Parallel()
	tests := map[string]event.Event{
		good:   {Type: event.Relayed, Experiment: "k1", Data: event.Data{Pool: "cpu", Kind: "clear"}},
		poison: {Type: event.Refused, Data: event.Data{Stage: "bridge", Reason: "malformed"}},
	}
	for body, want := range tests {
		b := setup(t, allTopics()...)
		_, _ = b.Forward(t.Context(), delivery(body)) // a refusal is an error
		b.teller.flush()
		told := b.cloud.Messages(eventsTopic)
		if len(told) != 1 {
			t.Fatalf("%s: %d events; want 1", body, len(told))
		}
		got, err := event.Parse(told[0].Attributes, told[0].Data)
		if err != nil || got.Type != want.Type || got.Experiment != want.Experiment || got.Source != source || told[0].OrderingKey != want.Experiment ||
			got.Data.MessageID != message.ID([]byte(body)) || got.Data.Queue != "rmq_test" || got.Data.Pool != want.Data.Pool ||
			got.Data.Kind != want.Data.Kind || got.Data.Stage != want.Data.Stage || got.Data.Reason != want.Data.Reason {
			t.Errorf("%s: event %+v, %v; want %+v", body, got, err, want)
		}
	}
}

func TestLostEventsAreLoggedWithTheirNumber(t *testing.T) {
	t.Parallel()
	b := setup(t, cpuTopic)
	for range 3 {
		if got, err := b.Forward(t.Context(), delivery(good)); got != Ack {
			t.Fatalf("Forward = %v, %v", got, err)
		}
	}
	b.teller.flush()
	mustContain(t, "log", b.logs.String(), `msg="event lost"`)
	mustContain(t, "log", b.logs.String(), `msg="events lost" count=3`)
}

func TestABurstOfEventsGoesUnordered(t *testing.T) {
	t.Parallel()
	b := setup(t, allTopics()...)
	for range orderedEvents + 500 {
		b.teller.Tell(t.Context(), event.Event{Type: event.Relayed, Experiment: "k1"})
	}
	b.teller.flush()
	ordered := 0
	told := b.cloud.Messages(eventsTopic)
	for _, m := range told {
		if m.OrderingKey == "k1" {
			ordered++
		}
	}
	if len(told) != orderedEvents+500 || ordered < orderedEvents || ordered == len(told) {
		t.Errorf("%d of %d events are ordered", ordered, len(told))
	}
}

// A refusal is reported before RabbitMQ lets go of the request, to a sender who may know of it.
func TestARefusalIsReported(t *testing.T) {
	t.Parallel()
	key, err := envelope.GeneratePrivateKey(1024)
	if err != nil {
		t.Fatal(err)
	}
	signing, stranger := newSigningKey(t), newSigningKey(t)
	pem := string(key.Public().MarshalPEM())
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata","report_key":%q},
	  {"prefix":"rmq_sealed","store":"a-store","metadata":"a-metadata","report_key":%q,"signing_keys":[%q]},
	  {"prefix":"rmq_silent","store":"a-store","metadata":"a-metadata"}]}`, pem, pem, signing.Public().AuthorizedLine("x")))
	if err != nil {
		t.Fatal(err)
	}
	pools, err := pool.Parse(`[{"name":"cpu","kind":"run-job","cpus":4,"ram":"8gb","hdd":"20gb"}]`)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(by envelope.SigningKey, resources string, size int) string {
		h := envelope.Header{Status: "waiting", Resources: json.RawMessage(resources)}
		body, err := envelope.New(h, make([]byte, size), key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	const clear = `{"experiment":{"key":"k1","filename":"train.py","pythonver":"3.11","resources_needed":{"cpus":%d}},"config":{}}`
	tests := map[string]struct {
		queue, body string
		refuse      string
		says        string // "" for no report
		want        Disposition
	}{
		"fits in no pool":              {queue: "rmq_q", body: fmt.Sprintf(clear, 64), says: "cpus", want: DeadLetter},
		"malformed":                    {queue: "rmq_q", body: `{"experiment":{}}`, says: "experiment", want: DeadLetter},
		"too large":                    {queue: "rmq_q", body: fmt.Sprintf(clear, 1) + strings.Repeat(" ", message.MaxData), says: "of at most", want: DeadLetter},
		"sealed, fits in no pool":      {queue: "rmq_sealed", body: seal(signing, `{"cpus": 64}`, 1), says: "cpus", want: DeadLetter},
		"sealed, too large":            {queue: "rmq_sealed", body: seal(signing, `{"cpus": 1}`, message.MaxData), says: "of at most", want: DeadLetter},
		"forged":                       {queue: "rmq_sealed", body: seal(stranger, `{"cpus": 64}`, 1), want: DeadLetter},
		"forged, too large":            {queue: "rmq_sealed", body: seal(stranger, `{"cpus": 1}`, message.MaxData), want: DeadLetter},
		"clear where sealed is wanted": {queue: "rmq_sealed", body: fmt.Sprintf(clear, 64), want: DeadLetter},
		"too large where sealed is":    {queue: "rmq_sealed", body: strings.Repeat(" ", message.MaxData+1), want: DeadLetter},
		"nobody reads reports":         {queue: "rmq_silent", body: fmt.Sprintf(clear, 64), want: DeadLetter},
		"Pub/Sub refuses the report":   {queue: "rmq_q", body: fmt.Sprintf(clear, 64), refuse: reportTopic, want: Requeue},
		"admitted":                     {queue: "rmq_q", body: fmt.Sprintf(clear, 1), want: Ack},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, allTopics()...)
			b.cloud.OnPublish(refusing(tc.refuse, codes.PermissionDenied))
			tenants := func() *tenant.Set { return set }
			b.Admission = admission.Policy{Tenants: tenants, ClearText: true, Pools: pools}
			b.Reports = &reporting.Sender{Tenants: tenants, Publisher: b.Requests.(*Topics)}
			d := Delivery{Queue: tc.queue, Body: []byte(tc.body), At: time.Now()}
			if got, err := b.Forward(t.Context(), d); got != tc.want {
				t.Fatalf("Forward = %v, %v; want %v", got, err, tc.want)
			}
			b.teller.flush()
			published := b.cloud.Messages(reportTopic)
			if tc.says == "" {
				if len(published) != 0 {
					t.Errorf("%d reports; want none", len(published))
				}
				return
			}
			if len(published) != 1 {
				t.Fatalf("%d reports; want 1", len(published))
			}
			batch, err := message.ReportsFrom(published[0].Attributes, published[0].Data)
			if err != nil {
				t.Fatal(err)
			}
			r, err := report.Open([]byte(batch.Reports[0].Body), key)
			if err != nil {
				t.Fatal(err)
			}
			p, id := r.GetProgress(), message.ID(d.Body)
			if p.GetState() != report.TaskState_Failed || !strings.Contains(p.GetError().GetMsg().GetValue(), tc.says) ||
				r.GetUniqueId().GetValue() != id || batch.Reports[0].ID != id+"/end" || published[0].OrderingKey != id || batch.Queue != tc.queue {
				t.Errorf("reported %v in %+v", r, batch)
			}
		})
	}
}

func newSigningKey(t *testing.T) envelope.SigningKey {
	t.Helper()
	key, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
