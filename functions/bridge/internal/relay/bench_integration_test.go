//go:build integration

package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// benchMessages is how many messages each part of a benchmark carries.
const benchMessages = 5_000

// load is a kind of requests of about 6 KiB and the policy that admits them.
type load struct {
	bodies [][]byte
	policy admission.Policy
}

// clearLoad is requests as `studio run` sends them: what takes the room is the list of packages.
func clearLoad(b *testing.B) load {
	b.Helper()
	var l load
	for i := range 100 {
		l.bodies = append(l.bodies, benchRequest(b, i))
	}
	l.policy = benchPolicy(b, "")
	return l
}

// sealedLoad is the same requests in signed envelopes.
func sealedLoad(b *testing.B) load {
	b.Helper()
	signer, err := envelope.GenerateSigningKey()
	if err != nil {
		b.Fatal(err)
	}
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		b.Fatal(err)
	}
	var l load
	for i := range 100 {
		h := envelope.Header{Status: "waiting", PythonVer: json.RawMessage(`"3.11"`), TimeAdded: 1530054413, Resources: json.RawMessage(`{"cpus":1}`)}
		body, err := envelope.New(h, benchRequest(b, i), key.Public(), signer)
		if err != nil {
			b.Fatal(err)
		}
		l.bodies = append(l.bodies, body)
	}
	l.policy = benchPolicy(b, signer.Public().AuthorizedLine(""))
	return l
}

func benchRequest(b *testing.B, n int) []byte {
	b.Helper()
	packages := make([]string, 180)
	for i := range packages {
		packages[i] = fmt.Sprintf("some-package-%d==1.%d.0", i, n)
	}
	artifacts := map[string]any{}
	for _, label := range []string{"workspace", "modeldir", "retval", "output", "tb", "_metrics"} {
		artifacts[label] = map[string]any{
			"bucket": "b-store", "key": fmt.Sprintf("experiments/bench-%d/%s.tar", n, label), "mutable": label != "workspace", "unpack": true,
			"qualified": fmt.Sprintf("s3://storage.googleapis.com/b-store/experiments/bench-%d/%s.tar", n, label),
		}
	}
	body, err := json.Marshal(map[string]any{
		"experiment": map[string]any{
			"key": fmt.Sprintf("bench-%d", n), "filename": "train.py", "args": []string{"--lr", "0.1"}, "pythonver": "3.11", "pythonenv": packages,
			"artifacts": artifacts, "resources_needed": map[string]any{"cpus": 1, "ram": "1gb", "hdd": "1gb"}, "time_added": 1530054412.7,
		},
		"config": map[string]any{"env": map[string]string{"PATH": "%PATH%"}, "experimentLifetime": "30m", "saveWorkspaceFrequency": "3m"},
	})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// benchPolicy is the real admission, with a signing key where there is one.
func benchPolicy(b *testing.B, key string) admission.Policy {
	b.Helper()
	entry := map[string]any{"prefix": "rmq_", "store": "b-store", "metadata": "b-metadata"}
	if key != "" {
		entry["signing_keys"] = []string{key}
	}
	text, err := json.Marshal(map[string]any{"tenants": []any{entry}})
	if err != nil {
		b.Fatal(err)
	}
	tenants, err := tenant.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	pools, err := pool.Parse(onePool)
	if err != nil {
		b.Fatal(err)
	}
	return admission.Policy{Tenants: func() *tenant.Set { return tenants }, ClearText: true, Pools: pools}
}

// admitAll decides for nothing.
type admitAll struct{}

func (admitAll) Decide(string, []byte) (admission.Decision, error) {
	return admission.Decision{Kind: admission.Sealed, Pool: pool.Pool{Name: "cpu"}}, nil
}

// BenchmarkRelay prints the rate of the relay against that composed of raw consume-and-acknowledge and of raw publish,
// all with the same messages in the same run. The budget is 0.9. Since neither part of it decides anything, it also prints
// the ratio to all three, deciding included, and that of a relay which does not decide.
func BenchmarkRelay(b *testing.B) {
	for name, makeLoad := range map[string]func(*testing.B) load{"clear": clearLoad, "sealed": sealedLoad} {
		b.Run(name, func(b *testing.B) { benchRelay(b, makeLoad(b)) })
	}
}

func benchRelay(b *testing.B, l load) {
	b.Helper()
	c := testcloud.Start(b, allTopics()...)
	channel := dial(b, broker.AMQPURL)
	var consume, publish, relayed, undecided, decide time.Duration
	for b.Loop() {
		fill(b, channel, l)
		consume += rawConsume(b)
		publish += rawPublish(b, c, l)
		decide += decideAll(b, l)
		fill(b, channel, l)
		relayed += relayAll(b, c, l.policy)
		fill(b, channel, l)
		undecided += relayAll(b, c, admitAll{})
	}
	rate := func(d time.Duration) float64 { return benchMessages * float64(b.N) / d.Seconds() }
	b.ReportMetric(rate(consume), "consumed/s")
	b.ReportMetric(rate(publish), "published/s")
	b.ReportMetric(rate(relayed), "relayed/s")
	b.ReportMetric(float64(decide.Microseconds())/benchMessages/float64(b.N), "decide-µs")
	b.ReportMetric((consume+publish).Seconds()/relayed.Seconds(), "ratio")
	b.ReportMetric((consume+publish+decide).Seconds()/relayed.Seconds(), "ratio-of-three")
	b.ReportMetric((consume+publish).Seconds()/undecided.Seconds(), "ratio-undecided")
}

func decideAll(b *testing.B, l load) time.Duration {
	b.Helper()
	started := time.Now()
	for i := range benchMessages {
		if _, err := l.policy.Decide(benchQueue, l.bodies[i%len(l.bodies)]); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(started)
}

func rawConsume(b *testing.B) time.Duration {
	b.Helper()
	channel := dial(b, broker.AMQPURL)
	if err := channel.Qos(256, 0, false); err != nil {
		b.Fatal(err)
	}
	started := time.Now()
	deliveries, err := channel.Consume(benchQueue, "raw", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	for range benchMessages {
		if err := (<-deliveries).Ack(false); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(started)
	_ = channel.Close()
	return took
}

func rawPublish(b *testing.B, c *testcloud.Cloud, l load) time.Duration {
	b.Helper()
	defer c.Clear()
	p := c.Client(b).Publisher(cpuTopic)
	defer p.Stop()
	results := make([]*pubsub.PublishResult, benchMessages)
	started := time.Now()
	for i := range results {
		results[i] = p.Publish(b.Context(), &pubsub.Message{Data: l.bodies[i%len(l.bodies)]})
	}
	for _, r := range results {
		if _, err := r.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(started)
}

// relayAll returns how long it takes until Pub/Sub has all messages of the queue.
func relayAll(b *testing.B, c *testcloud.Cloud, admit Admitter) time.Duration {
	b.Helper()
	defer c.Clear()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	r := Relay{Config: benchConfig(b), Admission: admit, Topics: newTestTopics(b, c), Logger: quiet()}
	before := c.Count(cpuTopic)
	var took time.Duration
	started := time.Now()
	go func() {
		defer cancel()
		c.Wait(b, cpuTopic, before+benchMessages)
		took = time.Since(started)
	}()
	summary, err := r.Run(ctx)
	if err != nil || summary.total().Relayed != benchMessages {
		b.Fatalf("Run = %+v, %v", summary, err)
	}
	return took
}

// BenchmarkLatency prints how long a message takes from the confirmed send to Pub/Sub at 500 messages a second. The
// budget for p99 is 20 ms.
func BenchmarkLatency(b *testing.B) {
	const perSecond, seconds = 500, 4
	c := testcloud.Start(b, allTopics()...)
	l := sealedLoad(b)
	channel := dial(b, broker.AMQPURL)
	declare(b, channel)
	r := Relay{Config: benchConfig(b), Admission: l.policy, Topics: newTestTopics(b, c), Logger: quiet()}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() {
		_, err := r.Run(ctx)
		ended <- err
	}()
	var took []time.Duration
	for b.Loop() {
		before := c.Count(cpuTopic)
		tick := time.NewTicker(time.Second / perSecond)
		for i := range perSecond * seconds {
			<-tick.C
			sent := amqp.Publishing{Body: l.bodies[i%len(l.bodies)], Headers: amqp.Table{"traceparent": sentAt(time.Now())}}
			if err := channel.PublishWithContext(b.Context(), "", benchQueue, false, false, sent); err != nil {
				b.Fatal(err)
			}
		}
		tick.Stop()
		c.Wait(b, cpuTopic, before+perSecond*seconds)
		for _, m := range c.Messages(cpuTopic) {
			took = append(took, m.PublishTime.Sub(readSentAt(b, m.Attributes["traceparent"])))
		}
		c.Clear()
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// sentAt hides a time in a traceparent, which the relay carries along.
func sentAt(t time.Time) string { return fmt.Sprintf("00-%032x-%016x-01", 1, t.UnixNano()) }

func readSentAt(b *testing.B, parent string) time.Time {
	b.Helper()
	var one, nanos int64
	if _, err := fmt.Sscanf(parent, "00-%x-%x-01", &one, &nanos); err != nil {
		b.Fatal(err)
	}
	return time.Unix(0, nanos)
}

const benchQueue = "rmq_bench"

func benchConfig(b *testing.B) Config {
	b.Helper()
	rabbitmq, err := ParseBroker(broker.AMQPURL, broker.ManagementURL)
	if err != nil {
		b.Fatal(err)
	}
	return Config{
		Project: testcloud.Project, Broker: rabbitmq, Queues: Filter{Match: regexp.MustCompile("^" + benchQueue + "$")},
		Deadline: time.Minute, Idle: 20 * time.Second, Discovery: 5 * time.Second, Prefetch: 256,
	}
}

func declare(b *testing.B, channel *amqp.Channel) {
	b.Helper()
	if _, err := channel.QueueDeclare(benchQueue, false, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
}

// fill puts the messages on the queue and returns when it has them.
func fill(b *testing.B, channel *amqp.Channel, l load) {
	b.Helper()
	declare(b, channel)
	for i := range benchMessages {
		sent := amqp.Publishing{Body: l.bodies[i%len(l.bodies)]}
		if err := channel.PublishWithContext(b.Context(), "", benchQueue, false, false, sent); err != nil {
			b.Fatal(err)
		}
	}
	for {
		q, err := channel.QueueDeclarePassive(benchQueue, false, false, false, false, nil)
		if err != nil {
			b.Fatal(err)
		}
		if q.Messages == benchMessages {
			return
		}
	}
}
