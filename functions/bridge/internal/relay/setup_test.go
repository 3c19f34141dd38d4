package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// The topics of the tests' one pool and beside it.
const (
	cpuTopic    = "studio-requests-cpu"
	deadLetters = "studio-dead-letters"
	eventsTopic = "studio-events"
	reportTopic = "studio-reports"
)

// standIn admits every JSON object to the pool that it names under "pool", or else to cpu; the experiment is what it has
// under "key".
type standIn struct{}

func (standIn) Decide(_ string, body []byte) (admission.Decision, error) {
	var r struct{ Key, Pool string }
	if err := json.Unmarshal(body, &r); err != nil {
		return admission.Decision{}, &admission.Refusal{Reason: admission.Malformed, Detail: "The request is not JSON.", Err: err}
	}
	if r.Pool == "" {
		r.Pool = "cpu"
	}
	return admission.Decision{Kind: "clear", Pool: pool.Pool{Name: r.Pool}, Experiment: r.Key}, nil
}

var errUndecided = errors.New("undecided")

// undecided fails in a way that may pass.
type undecided struct{}

func (undecided) Decide(string, []byte) (admission.Decision, error) {
	return admission.Decision{}, errUndecided
}

// lockedBuffer keeps a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newTestTopics returns topics on c, stopped with the test.
func newTestTopics(tb testing.TB, c *testcloud.Cloud) *Topics {
	tb.Helper()
	topics := NewTopics(c.Client(tb), deadLetters, reportTopic, eventsTopic)
	tb.Cleanup(func() { topics.Stop(context.Background()) })
	return topics
}

// bundle is a forwarder on a fake Pub/Sub.
type bundle struct {
	Forwarder
	cloud  *testcloud.Cloud
	teller *teller
	logs   *lockedBuffer
}

func setup(t *testing.T, topics ...string) bundle {
	t.Helper()
	c := testcloud.Start(t, topics...)
	tops := newTestTopics(t, c)
	logs := &lockedBuffer{}
	tell := newTeller(tops.events, slog.New(slog.NewTextHandler(logs, nil)))
	return bundle{
		Forwarder: Forwarder{Admission: standIn{}, Requests: tops, DeadLetters: tops, Events: tell}, cloud: c, teller: tell, logs: logs,
	}
}

func allTopics() []string { return []string{cpuTopic, deadLetters, reportTopic, eventsTopic} }

func mustContain(t *testing.T, what, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%s = %q; want %q in it", what, text, part)
	}
}
