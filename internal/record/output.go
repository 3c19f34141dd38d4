package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The custom metadata that every upload of an attempt carries. Its whole may be 8 KiB; S3 clients see the same names.
const (
	MetaExperiment = "studioml-experiment"
	MetaAttempt    = "studioml-attempt"
	MetaState      = "studioml-state"
	MetaOutcome    = "studioml-outcome"
	MetaReason     = "studioml-reason"
	MetaExitCode   = "studioml-exit-code"
	MetaExecutor   = "studioml-executor"
	MetaStartedAt  = "studioml-started-at" // RFC 3339
	MetaEndedAt    = "studioml-ended-at"   // RFC 3339
)

// The values of MetaState.
const (
	StateRunning = "running"
	StateFinal   = "final"
)

// outcomes are the ways in which an experiment ends.
func outcomes() []string {
	return []string{"completed", "failed", "timed_out", "stopped", "expired", "refused", "lost"}
}

// Output is what one generation of `experiments/<key>/output.tar` says about its experiment.
type Output struct {
	Generation int64
	Size       int64
	CRC32C     uint32
	Updated    time.Time

	Attempt   string // empty for another producer's
	State     string // StateRunning or StateFinal; anything else counts as running
	Outcome   string // of a final one; if empty, a stop or the exit code gives it
	Reason    string
	ExitCode  *int
	StartedAt time.Time
	EndedAt   time.Time       // Updated if zero
	Document  json.RawMessage // the program's metadata; nil leaves what the record has
}

// ReadMetadata returns what custom metadata says of an output and the key of the experiment that it names. Without an
// attempt the upload is another producer's, and both are empty. Values that cannot be read are left out and told by the
// error, which is permanent; the rest stands.
func ReadMetadata(metadata map[string]string) (experiment string, o Output, err error) {
	if metadata[MetaAttempt] == "" {
		return "", Output{}, nil
	}
	o = Output{
		Attempt: metadata[MetaAttempt], State: metadata[MetaState],
		Outcome: metadata[MetaOutcome], Reason: metadata[MetaReason],
	}
	if o.Outcome != "" && !slices.Contains(outcomes(), o.Outcome) {
		err = fmt.Errorf("%s: unknown outcome %q", MetaOutcome, o.Outcome)
		o.Outcome = ""
	}
	if text := metadata[MetaExitCode]; text != "" {
		code, bad := strconv.Atoi(text)
		if bad == nil {
			o.ExitCode = &code
		} else {
			err = errors.Join(err, fmt.Errorf("%s: %w", MetaExitCode, bad))
		}
	}
	for name, at := range map[string]*time.Time{MetaStartedAt: &o.StartedAt, MetaEndedAt: &o.EndedAt} {
		if text := metadata[name]; text != "" {
			if bad := at.UnmarshalText([]byte(text)); bad != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, bad))
			}
		}
	}
	return metadata[MetaExperiment], o, err
}
