package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Key is one that a cluster accepts, or a user has.
type Key struct {
	For         string // request, signing or report
	Prefix      string // of the queues that the cluster accepts it for; "" for all
	Fingerprint string
	From        string // file
	Err         error  // why it cannot be read
}

// Keys are what a cluster accepts as far as it is known here, and what the user has.
type Keys struct {
	Accepted []Key
	Whole    map[string]bool // by kind: that the cluster accepts no others than these
	Faults   error           // of what the cluster reads
	Queue    string
	Mine     []Key
}

const nextKeys = "give the cluster's keys (kubectl -n studio get secret -o json | studioctl doctor --secrets -), and name yours in a context (`studioctl context set`)"

// examine compares the halves of pairs by their fingerprints.
func (k Keys) examine(context.Context) Finding {
	if k.Faults != nil {
		return fail(k.Faults, "mend or remove these; `studioctl keys accepted` shows what is left")
	}
	switch {
	case len(k.Accepted) == 0:
		return notHere("the cluster's keys are not known here", nextKeys)
	case len(k.Mine) == 0:
		return notHere(fmt.Sprintf("none of the cluster's %d keys is at fault; your own keys are not known here", len(k.Accepted)), nextKeys)
	}
	var faults error
	var unknown []string
	for _, mine := range k.Mine {
		known, err := k.accepts(mine)
		switch {
		case err != nil:
			faults = errors.Join(faults, err)
		case !known:
			unknown = append(unknown, mine.For)
		}
	}
	switch {
	case faults != nil:
		return fail(faults, "take the keys that `studioctl keys accepted` shows, or give the cluster the public halves of yours: `studioctl keys`")
	case len(unknown) > 0:
		return notHere("what the cluster has of these is not known here: "+strings.Join(unknown, ", "), nextKeys)
	}
	return pass("the cluster has the other halves of your %d keys%s", len(k.Mine), k.suffix())
}

// accepts tells whether the cluster's keys of the kind are known, and what keeps it from taking this one.
func (k Keys) accepts(mine Key) (known bool, err error) {
	if mine.Err != nil {
		return false, fmt.Errorf("%s key %s: %w", mine.For, mine.From, mine.Err)
	}
	var others []string // prefixes of other queues that the key is accepted for
	prefix := k.prefix(mine.For)
	known = k.Whole[mine.For]
	for _, key := range k.Accepted {
		if key.For != mine.For {
			continue
		}
		here := k.Queue == "" || key.Prefix == prefix
		switch known = known || here; {
		case key.Fingerprint != mine.Fingerprint:
		case here:
			return true, nil
		default:
			others = append(others, key.Prefix)
		}
	}
	switch {
	case !known:
		return false, nil
	case len(others) > 0:
		return true, fmt.Errorf("the %s key %s (%s) is for queues that begin with %s, not for %s", mine.For, mine.From, mine.Fingerprint, strings.Join(others, " or "), k.Queue)
	}
	return true, fmt.Errorf("the %s key %s (%s) is none of those that the cluster has%s", mine.For, mine.From, mine.Fingerprint, k.suffix())
}

func (k Keys) suffix() string {
	if k.Queue == "" {
		return ""
	}
	return " for the queue " + k.Queue
}

// prefix is the longest of those that have keys of the kind for the queue.
func (k Keys) prefix(kind string) (longest string) {
	for _, key := range k.Accepted {
		if key.For == kind && strings.HasPrefix(k.Queue, key.Prefix) && len(key.Prefix) > len(longest) {
			longest = key.Prefix
		}
	}
	return longest
}
