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
	Fingerprint string
	From        string // file
	Err         error  // why it cannot be read
}

// Keys are what a cluster accepts as far as it is known here, and what the user has.
type Keys struct {
	Accepted []Key
	Faults   error // of what the cluster reads
	Mine     []Key
}

// examine compares the halves of pairs by their fingerprints.
func (k Keys) examine(context.Context) Finding {
	if k.Faults != nil {
		return fail(k.Faults, "mend or remove these files; `studioctl keys accepted` shows what is left")
	}
	if len(k.Accepted) == 0 || len(k.Mine) == 0 {
		return notHere("only "+map[bool]string{true: "your own keys are", false: "the cluster's keys are"}[len(k.Accepted) == 0]+" known here, at most",
			"compare `studioctl keys accepted --secrets FILE` with `studioctl keys fingerprint FILE`")
	}
	var faults error
	var unknown []string
	for _, mine := range k.Mine {
		switch known, accepted := k.accepts(mine); {
		case mine.Err != nil:
			faults = errors.Join(faults, fmt.Errorf("%s key %s: %w", mine.For, mine.From, mine.Err))
		case !known:
			unknown = append(unknown, mine.For)
		case !accepted:
			faults = errors.Join(faults, fmt.Errorf("the %s key %s (%s) is none of those that the cluster has", mine.For, mine.From, mine.Fingerprint))
		}
	}
	switch {
	case faults != nil:
		return fail(faults, "take the keys that `studioctl keys accepted` shows, or give the cluster the public halves of yours: `studioctl keys`")
	case len(unknown) > 0:
		return notHere("what the cluster has of these is not known here: "+strings.Join(unknown, ", "), "compare `studioctl keys accepted --secrets FILE` with `studioctl keys fingerprint FILE`")
	}
	return pass("the cluster has the other halves of your %d keys", len(k.Mine))
}

// accepts tells whether the cluster's keys of the kind are known, and whether this is one of them.
func (k Keys) accepts(mine Key) (known, accepted bool) {
	for _, key := range k.Accepted {
		if key.For == mine.For {
			known = true
			accepted = accepted || key.Fingerprint == mine.Fingerprint
		}
	}
	return known, accepted
}
