package doctor

import (
	"context"
	"fmt"
	"time"
)

// Status is how a check ended.
type Status string

// The statuses.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"     // works, but should not stay so
	Fail    Status = "fail"     // experiments will not run, or will be lost
	NotHere Status = "not here" // cannot be checked from here
)

// Finding is what a check saw.
type Finding struct {
	Status Status `json:"status"`
	Says   string `json:"says"`
	Next   string `json:"next,omitempty"` // what to do
}

// Check examines one thing.
type Check struct {
	Name    string
	Examine func(context.Context) Finding
}

// Line is a check with its finding.
type Line struct {
	Check string `json:"check"`
	Finding
}

// Run starts all checks at once and shows their lines in the order of the list, each as soon as it and those before it are
// there. It returns how many failed. A check that does not end within its time has failed.
func Run(ctx context.Context, checks []Check, within time.Duration, show func(Line) error) (failed int, err error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found := make([]chan Finding, len(checks))
	for i, c := range checks {
		found[i] = make(chan Finding, 1)
		go func() { found[i] <- c.Examine(limited) }()
	}
	for i, c := range checks {
		line := Line{Check: c.Name, Finding: await(limited, found[i], within)}
		if line.Status == Fail {
			failed++
		}
		if err := show(line); err != nil {
			return failed, err
		}
	}
	return failed, ctx.Err()
}

// grace is for a check to say itself what it was waiting for when its time was over.
const grace = time.Second

func await(ctx context.Context, found <-chan Finding, within time.Duration) Finding {
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
	}
	select {
	case f := <-found:
		return f
	case <-time.After(grace):
		return Finding{Fail, fmt.Sprintf("no answer within %s", within), "see whether the service is up and its network open from here, or give it longer: --within 1m"}
	}
}

func pass(format string, args ...any) Finding { return Finding{Pass, fmt.Sprintf(format, args...), ""} }

func fail(err error, next string) Finding { return Finding{Fail, err.Error(), next} }

func notHere(why, next string) Finding { return Finding{NotHere, why, next} }
