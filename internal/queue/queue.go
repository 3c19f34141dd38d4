// Package queue tells which queues of RabbitMQ hold work: the bridge asks before it reads, studioctl before it submits.
package queue

import (
	"fmt"
	"regexp"
	"strings"
)

// DefaultMatch is which queues are read where their owner does not say otherwise.
const DefaultMatch = `^rmq_.*$`

// responseSuffix ends the names of queues that carry reports to experimenters; they are never work.
const responseSuffix = "_response"

// Filter tells queues of work from others.
type Filter struct {
	Match    *regexp.Regexp
	Mismatch *regexp.Regexp // nil for none
}

// Default is the filter of a cluster whose owner says nothing else.
func Default() Filter { return Filter{Match: regexp.MustCompile(DefaultMatch)} }

// Wants reports whether the queue of that name holds work for us.
func (f Filter) Wants(name string) bool {
	return f.Match.MatchString(name) && !strings.HasSuffix(name, responseSuffix) && (f.Mismatch == nil || !f.Mismatch.MatchString(name))
}

// Check is nil for a queue that is read, and else says why it is not.
func (f Filter) Check(name string) error {
	switch {
	case f.Wants(name):
		return nil
	case strings.HasSuffix(name, responseSuffix):
		return fmt.Errorf("the queue %q would never be read: those that end in %s carry reports to experimenters; name another", name, responseSuffix)
	case f.Mismatch != nil && f.Mismatch.MatchString(name):
		return fmt.Errorf("the queue %q would never be read: the cluster leaves out those that match %s; name another", name, f.Mismatch)
	case f.Match.String() == DefaultMatch:
		return fmt.Errorf("the queue %q would never be read: queues begin with rmq_", name)
	}
	return fmt.Errorf("the queue %q would never be read: the cluster reads those that match %s", name, f.Match)
}
