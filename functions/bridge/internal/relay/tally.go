package relay

import (
	"sync"
	"time"
)

// Counts says what became of a queue's messages.
type Counts struct {
	Relayed      int64 `json:"relayed"`       // in Pub/Sub and acknowledged
	DeadLettered int64 `json:"dead_lettered"` // refused, in the dead letter topic and acknowledged
	Requeued     int64 `json:"requeued"`      // left to RabbitMQ, each time
}

// Reasons for which a relay ends.
const (
	Idle     = "idle"     // nothing came for as long as it waits
	Deadline = "deadline" // its time was up
	Shutdown = "shutdown" // the program ends, or the caller went away
)

// Summary is what a relay did.
type Summary struct {
	Queues map[string]Counts `json:"queues"`
	Took   string            `json:"took"` // as time.Duration prints it
	Ended  string            `json:"ended"`
	Error  string            `json:"error,omitempty"`
}

// total returns the counts of all queues together.
func (s Summary) total() Counts {
	var t Counts
	for _, c := range s.Queues {
		t.Relayed += c.Relayed
		t.DeadLettered += c.DeadLettered
		t.Requeued += c.Requeued
	}
	return t
}

// tally counts while several queues are served.
type tally struct {
	mu     sync.Mutex
	queues map[string]Counts
	last   time.Time // when the last message came, or could come again
	held   int       // failed messages that are about to go back
}

func newTally() *tally { return &tally{queues: map[string]Counts{}, last: time.Now()} }

// serve makes the queue appear in the summary.
func (t *tally) serve(queue string) { t.add(queue, Counts{}) }

func (t *tally) add(queue string, more Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.queues[queue]
	c.Relayed += more.Relayed
	c.DeadLettered += more.DeadLettered
	c.Requeued += more.Requeued
	t.queues[queue] = c
}

// hold notes that n messages more, or less, are about to go back to RabbitMQ and to come again.
func (t *tally) hold(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held += n
	t.last = time.Now()
}

// touch notes that a message came, or that messages can come again.
func (t *tally) touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
}

// quiet returns for how long nothing has come nor was about to come again.
func (t *tally) quiet() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held > 0 {
		return 0
	}
	return time.Since(t.last)
}
