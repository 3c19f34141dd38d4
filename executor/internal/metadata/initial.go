package metadata

import (
	"fmt"
	"strings"
	"time"
)

// Initial is what the executor knows of an attempt before its program starts.
type Initial struct {
	Artifacts  map[string]string // label to URL
	Experiment string            // its key
	Project    string
	Host       string
	LoadTime   time.Time // when the executor took the experiment
}

// document returns the document of wire-format section 5.
func (i Initial) document() map[string]any {
	artifacts := map[string]any{}
	for label, url := range i.Artifacts {
		artifacts[label] = url
	}
	return map[string]any{reserved: map[string]any{
		"artifacts":  artifacts,
		"experiment": map[string]any{"key": i.Experiment, "project": i.Project},
		"host":       i.Host,
		"load_time":  stamp(i.LoadTime),
		startTime:    "",
		stopTime:     "",
		"log":        []any{},
	}}
}

const (
	startTime = "start_time"
	stopTime  = "stop_time"
)

// SetStart records when the program started.
func (d *Document) SetStart(at time.Time) { _ = d.Set(stamp(at), reserved, startTime) } // a string and a path cannot fail

// SetStop records when the program ended.
func (d *Document) SetStop(at time.Time) { _ = d.Set(stamp(at), reserved, stopTime) }

// StartLine returns the executor's directive at the program's start, without a line end, for the experiment's output. A
// program may print such a line too, so [Document.Line] skips it, unless [Document.SetStart] has said the same before.
func StartLine(at time.Time) string { return directive(startTime, at) }

// StopLine is StartLine for the program's end and [Document.SetStop].
func StopLine(at time.Time) string { return directive(stopTime, at) }

func directive(name string, at time.Time) string {
	return fmt.Sprintf(`{"%s": {"%s": "%s"}}`, reserved, name, stamp(at))
}

// stamp writes a time as older tools did: UTC, nanoseconds, +00:00 for Z.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000-07:00") }

// Name returns the file name under which an attempt's document is stored. Names of one host sort by the attempts' starts, to
// the second. What is no letter, digit, dot, dash or underscore in host becomes a dash.
func Name(host string, start time.Time) string {
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune(digits+".-_", r) {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("scrape-host-%s-%s.json", safe, base62(start.Unix()))
}

// digits are those of base 62 in ASCII order, so that names sort.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func base62(n int64) string {
	text := ""
	for n = max(n, 0); n > 0 || text == ""; n /= 62 {
		text = digits[n%62:][:1] + text
	}
	return text
}
