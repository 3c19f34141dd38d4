package reporter

import (
	"time"

	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// entry is something to report.
type entry struct {
	number   uint64 // in the order of what happened
	at       time.Time
	kind     string           // of message.Report
	text     string           // of a line
	progress *report.Progress // of a state
	last     bool             // nothing comes after it
}

// ring holds the newest entries within its bounds.
type ring struct {
	list      []entry
	bytes     int
	maxCount  int
	maxBytes  int
	discarded int // since it was last asked
}

func (r *ring) push(e entry) {
	r.list = append(r.list, e)
	r.bytes += len(e.text)
	for len(r.list) > r.maxCount || r.bytes > r.maxBytes {
		r.pop()
		r.discarded++
	}
}

func (r *ring) pop() entry {
	e := r.list[0]
	r.list[0] = entry{}
	r.list = r.list[1:]
	r.bytes -= len(e.text)
	return e
}

func (r *ring) clear() { r.list, r.bytes, r.discarded = nil, 0, 0 }
