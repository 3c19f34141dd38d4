package reporter

import (
	"context"
	"strconv"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// The pause before Pub/Sub is tried again, doubled up to the longest.
const (
	shortestPause = 250 * time.Millisecond
	longestPause  = 5 * time.Second
)

// tooFast is why lines are left out.
const tooFast = "they came faster than reports are sent"

// run sends until the reporter is closed and empty, or ctx ends.
func (r *Reporter) run(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.urgent:
		}
		for {
			entries, left, closed := r.take()
			if len(entries) > 0 && !r.send(ctx, r.seal(entries, left)) {
				return
			}
			if len(entries) == 0 && closed {
				r.all = true
				return
			}
			if len(entries) == 0 {
				break
			}
		}
	}
}

// take returns what is to go into the next batch, in order, and how many lines are missing in front of its first one.
func (r *Reporter) take() (batch []entry, left reporting.LeftOut, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	atOnce := uint64(0) // entries up to this one do not wait for the rate
	if n := len(r.states.list); n > 0 {
		atOnce = r.states.list[n-1].number
	}
	if r.closed {
		atOnce = r.number
	}
	for size := 0; ; {
		from := r.first()
		if from == nil {
			break
		}
		e := from.list[0]
		more := sealedSize(e)
		if size > 0 && size+more > message.MaxBatch || e.number > atOnce && !r.allow(e) {
			break
		}
		size += more
		batch = append(batch, from.pop())
		if e.kind != message.StateReport || e.last {
			left.Lines, left.JSON = left.Lines+r.lines.discarded, left.JSON+r.json.discarded
			r.lines.discarded, r.json.discarded = 0, 0
		}
	}
	return batch, left, r.closed
}

// first returns where the oldest entry lies.
func (r *Reporter) first() (from *ring) {
	for _, one := range []*ring{&r.states, &r.json, &r.lines} {
		if len(one.list) > 0 && (from == nil || one.list[0].number < from.list[0].number) {
			from = one
		}
	}
	return from
}

func (r *Reporter) allow(e entry) bool {
	now := r.Now()
	return r.lineTokens.AllowN(now, 1) && r.byteTokens.AllowN(now, len(e.text))
}

// sealedSize is about how long the body of an entry will be: its text, often with escapes, in base64, and what goes with it.
func sealedSize(e entry) int { return len(e.text)*3/2 + 1200 }

// seal makes the batch. What is missing is said in front of the first line, or of the end where that comes alone.
func (r *Reporter) seal(entries []entry, left reporting.LeftOut) []message.Report {
	key := r.Sender.Key(r.Subject.Queue)
	if key == nil { // taken away meanwhile
		return nil
	}
	sealed := make([]message.Report, 0, len(entries)+1)
	add := func(id, kind string, content *report.Report) {
		body, err := report.Seal(content, key)
		if err != nil {
			r.Log.Error("report not sealed", "report", id, "error", err)
			return
		}
		sealed = append(sealed, message.Report{ID: id, Kind: kind, Body: body})
	}
	for _, e := range entries {
		if left.Any() && (e.kind != message.StateReport || e.last) {
			add(r.nextID(), message.LogReport, left.Report(r.Subject, e.at, tooFast))
			left = reporting.LeftOut{}
		}
		id := r.nextID()
		if e.last {
			id = reporting.EndID(r.Subject.Attempt)
		}
		add(id, e.kind, r.report(e))
	}
	return sealed
}

func (r *Reporter) nextID() string {
	r.sent++
	return r.Subject.Attempt + "/" + strconv.Itoa(r.sent)
}

func (r *Reporter) report(e entry) *report.Report {
	switch e.kind {
	case message.StateReport:
		return r.Subject.Progress(e.at, e.progress)
	case message.JSONReport:
		return r.Subject.Progress(e.at, &report.Progress{State: report.TaskState_Started, Json: reporting.Text(e.text)})
	default:
		return r.Subject.Logging(e.at, report.LogSeverity_Info, e.text, nil)
	}
}

// send publishes a batch, however often it takes, and returns false if ctx ends first.
func (r *Reporter) send(ctx context.Context, batch []message.Report) bool {
	if len(batch) == 0 {
		return true
	}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := r.Sender.Send(ctx, r.Subject, batch)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		r.Log.Warn("reports not published, trying again", "reports", len(batch), "retry_in", pause.String(), "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}
