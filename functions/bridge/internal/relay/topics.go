package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const (
	// source names the bridge in events.
	source = "//studio/bridge"

	// publishDelay is how long a message may wait for others to share its call. It is a quarter of the 20 ms that relaying
	// may add; a longer wait saves no more calls under load, where batches fill before it ends.
	publishDelay = 5 * time.Millisecond

	// eventDelay is how long an event may wait for others to share its call.
	eventDelay = 100 * time.Millisecond

	// publishTimeout is when a publish has failed, retries of the client library included.
	publishTimeout = 10 * time.Second

	// outstandingBytes bounds what waits for Pub/Sub per topic; further messages wait in RabbitMQ's window.
	outstandingBytes = 64 << 20
)

// Topics is the Pub/Sub side: a publisher per pool, one each for dead letters, reports and events, shared by all relays of a
// process.
type Topics struct {
	client *pubsub.Client

	deadLetters *message.Publisher
	reports     *message.Publisher
	events      *event.Publisher
	fixed       []*pubsub.Publisher

	mu    sync.Mutex
	pools map[string]*pubsub.Publisher
}

// NewTopics returns the topics of a client, which the caller closes.
func NewTopics(client *pubsub.Client, deadLetters, reports, events string) *Topics {
	letters, news, facts := client.Publisher(deadLetters), client.Publisher(reports), client.Publisher(events)
	tune(letters)
	tune(news)
	news.EnableMessageOrdering = true
	tune(facts)
	// Events are best effort: they wait for company, and one too many is lost rather than waited for.
	facts.PublishSettings.DelayThreshold = eventDelay
	facts.PublishSettings.CountThreshold = pubsub.MaxPublishRequestCount
	facts.PublishSettings.FlowControlSettings = pubsub.FlowControlSettings{
		MaxOutstandingMessages: 10_000, LimitExceededBehavior: pubsub.FlowControlSignalError,
	}
	return &Topics{
		client: client, pools: map[string]*pubsub.Publisher{},
		deadLetters: message.NewPublisher(letters), reports: message.NewPublisher(news), events: event.New(facts, source),
		fixed: []*pubsub.Publisher{letters, news, facts},
	}
}

func tune(p *pubsub.Publisher) {
	p.PublishSettings.DelayThreshold = publishDelay
	p.PublishSettings.Timeout = publishTimeout
	p.PublishSettings.FlowControlSettings = pubsub.FlowControlSettings{
		MaxOutstandingMessages: 10_000, MaxOutstandingBytes: outstandingBytes, LimitExceededBehavior: pubsub.FlowControlBlock,
	}
}

// Request publishes r to the pool's topic and returns nil only when Pub/Sub has it.
func (t *Topics) Request(ctx context.Context, name string, r message.Relayed) error {
	return message.NewPublisher(t.pool(name)).Request(ctx, r)
}

func (t *Topics) pool(name string) *pubsub.Publisher {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.pools[name]
	if !ok {
		p = t.client.Publisher(pool.Topic(name))
		tune(p)
		t.pools[name] = p
	}
	return p
}

// DeadLetter publishes d and returns nil only when Pub/Sub has it.
func (t *Topics) DeadLetter(ctx context.Context, d message.DeadLetter) error {
	return t.deadLetters.DeadLetter(ctx, d)
}

// Reports publishes a batch and returns nil only when Pub/Sub has it.
func (t *Topics) Reports(ctx context.Context, r message.Reports) error {
	return t.reports.Reports(ctx, r)
}

// Stop ends the publishers once nothing waits in them, or leaves them when ctx ends: what still waits then is given up
// already by those who published it. Nothing can be published afterwards.
func (t *Topics) Stop(ctx context.Context) {
	t.mu.Lock()
	publishers := slices.Concat(slices.Collect(maps.Values(t.pools)), t.fixed)
	t.mu.Unlock()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for _, p := range publishers {
			p.Stop()
		}
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
	}
}
