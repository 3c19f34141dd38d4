package reporter

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

const (
	// flushEvery is how often lines are sent. Each time costs a message of Pub/Sub and one call of the bridge.
	flushEvery = 500 * time.Millisecond

	// What may wait: in front of Pub/Sub that is slow, and for the rate.
	maxLines, maxLineBytes = 1000, 1 << 20
	maxJSON, maxJSONBytes  = 1000, 4 << 20

	// burstSeconds is for how many seconds' lines a program may be silent first and print at once then.
	burstSeconds = 10

	// bytesPerSecond bounds long lines beside the rate of lines; the burst holds the largest one.
	bytesPerSecond, burstBytes = 256 << 10, 4 << 20
)

// Config is what a Reporter needs. All fields are.
type Config struct {
	Sender  *reporting.Sender
	Subject reporting.Subject
	Rate    int // lines a second
	Log     *slog.Logger
	Now     func() time.Time
}

// Reporter reports on one attempt. A nil one reports nothing. Its methods may be called from several goroutines.
type Reporter struct {
	Config
	lineTokens, byteTokens *rate.Limiter
	urgent                 chan struct{} // filled when something should go at once
	done                   chan struct{} // closed when nothing more is sent
	cancel                 context.CancelFunc
	sent                   int  // reports so far, by the goroutine that sends
	all                    bool // everything was sent; read it once done is closed

	mu          sync.Mutex
	output      lines
	number      uint64
	lines, json ring
	states      ring
	stopping    bool // was said
	closed      bool // takes nothing more
}

// Start begins to report. It returns nil where nobody wants reports.
func Start(ctx context.Context, c Config) *Reporter {
	if c.Sender.Key(c.Subject.Queue) == nil {
		return nil
	}
	r := &Reporter{
		Config:     c,
		lineTokens: rate.NewLimiter(rate.Limit(c.Rate), c.Rate*burstSeconds), byteTokens: rate.NewLimiter(bytesPerSecond, burstBytes),
		urgent: make(chan struct{}, 1), done: make(chan struct{}),
		lines: ring{maxCount: maxLines, maxBytes: maxLineBytes}, json: ring{maxCount: maxJSON, maxBytes: maxJSONBytes},
		states: ring{maxCount: math.MaxInt, maxBytes: math.MaxInt}, // a handful
	}
	r.output.hand = r.line
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go r.run(ctx)
	return r
}

// Write takes output of the program and of the executor. It never fails and never waits for anything that is sent.
func (r *Reporter) Write(p []byte) (int, error) {
	if r == nil {
		return len(p), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.output.write(p)
	}
	return len(p), nil
}

// EndOutput reports a last line that has no end.
func (r *Reporter) EndOutput() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.output.flush()
	}
}

// line is called with the lock held.
func (r *Reporter) line(line []byte, lost int) {
	if lost == 0 && isJSON(line) {
		r.json.push(r.entry(entry{kind: message.JSONReport, text: string(line)}))
	} else {
		r.lines.push(r.entry(entry{kind: message.LogReport, text: text(line, lost)}))
	}
}

// State reports that the attempt has come further.
func (r *Reporter) State(s report.TaskState) { r.say(entry{progress: &report.Progress{State: s}}) }

// Stopping reports, once, that the attempt is told to end, and why.
func (r *Reporter) Stopping(why string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	first := !r.stopping
	r.stopping = true
	r.mu.Unlock()
	if first {
		r.say(entry{progress: &report.Progress{State: report.TaskState_Stopping, Error: &report.Progress_Error{Msg: reporting.Text(why)}}})
	}
}

// say returns false where the reporting has ended.
func (r *Reporter) say(e entry) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	e.kind = message.StateReport
	r.states.push(r.entry(e))
	r.closed = e.last
	r.hurry()
	return true
}

func (r *Reporter) entry(e entry) entry {
	r.number++
	e.number = r.number
	if e.at.IsZero() {
		e.at = r.Now()
	}
	return e
}

func (r *Reporter) hurry() {
	select {
	case r.urgent <- struct{}{}:
	default:
	}
}

// End reports the attempt's end. It returns nil when Pub/Sub has everything that was reported, and an error if that is not so
// when ctx ends. Nothing is sent after it has returned.
func (r *Reporter) End(ctx context.Context, e reporting.End) error {
	if r == nil {
		return nil
	}
	if !r.say(entry{at: e.At, progress: e.Progress(), last: true}) {
		return fmt.Errorf("report the end of attempt %s: its reporting has ended before", r.Subject.Attempt)
	}
	return r.finish(ctx)
}

// Close sends what waits, and ends the reporting without an end of the attempt. A second one, or one after another end of the
// reporting, does nothing.
func (r *Reporter) Close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	before := r.closed
	r.closed = true
	r.hurry()
	r.mu.Unlock()
	if before {
		return nil
	}
	return r.finish(ctx)
}

// finish waits until everything is sent, or ctx ends.
func (r *Reporter) finish(ctx context.Context) error {
	defer r.cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cancel()
		<-r.done
	}
	if r.all {
		return nil
	}
	return fmt.Errorf("report on attempt %s: Pub/Sub has not taken everything: %w", r.Subject.Attempt, context.Cause(ctx))
}

// Discard ends the reporting without another word, for an attempt that no longer speaks for its experiment.
func (r *Reporter) Discard() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.closed = true
	r.states.clear()
	r.lines.clear()
	r.json.clear()
	r.mu.Unlock()
	r.cancel()
	<-r.done
}
