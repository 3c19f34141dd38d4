package record

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// world is one experiment in the hands of executors, clients and finalize, acting in random order and in the middle of
// each other's reads and writes.
type world struct {
	*cloud
	rand       *rand.Rand
	claims     []Claim
	outcomes   map[string]string // by attempt, once the record says that it ended the experiment
	generation int64
	depth      int
}

func TestInvariantsHoldInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		w := &world{cloud: setup(t), rand: rand.New(rand.NewPCG(seed, 1)), outcomes: map[string]string{}}
		w.write(`{"status":"waiting","keep":12345678901234567890}`)
		w.wire.on(func(r *http.Request) {
			if isWrite(r) && w.depth > 0 && w.depth < 3 && w.rand.IntN(5) == 0 {
				w.act()
			}
		}, nil)
		for step := range 40 {
			w.act()
			w.check(seed, step)
		}
	}
}

// act does something that may happen to an experiment; other things may happen before each of its writes.
func (w *world) act() {
	w.depth++
	defer func() { w.depth-- }()
	ctx := context.WithoutCancel(w.t.Context())
	switch w.rand.IntN(14) {
	case 0, 1, 2, 3:
		if claim, err := w.Claim(ctx, w.ref, w.claimant()); err == nil {
			w.claims = append(w.claims, claim)
		} else {
			w.expect(err, as[*HeldError](err), as[*EndedError](err), as[*ExhaustedError](err), errors.Is(err, ErrStopped))
		}
	case 4, 5:
		_, err := w.Heartbeat(ctx, w.any())
		w.expect(err, errors.Is(err, ErrSuperseded))
	case 6:
		w.expect(w.Release(ctx, w.any(), []string{Drained, Infrastructure}[w.rand.IntN(2)]))
	case 7:
		err := w.End(ctx, w.ref, Ending{Attempt: []string{w.any().Attempt, ""}[w.rand.IntN(2)], Outcome: w.outcome()})
		w.expect(err, errors.Is(err, ErrSuperseded), as[*HeldError](err))
	case 8, 9:
		w.generation++
		_, err := w.Finalize(ctx, w.ref, Output{
			Generation: w.generation - w.rand.Int64N(3), Attempt: w.any().Attempt, Updated: w.clock(),
			State: []string{StateRunning, StateFinal}[w.rand.IntN(2)], Outcome: w.outcome(),
		})
		w.expect(err)
	case 10:
		w.write(`{"status":"waiting","keep":12345678901234567890}`)
	case 11:
		w.edit("status", []string{`"stopped"`, `"waiting"`}[w.rand.IntN(2)])
		clear(w.outcomes) // the client may have written over an end that it had not read
	default:
		w.pass(time.Duration(w.rand.IntN(90)) * time.Second)
	}
}

func (w *world) any() Claim {
	if len(w.claims) == 0 {
		return Claim{Ref: w.ref, Attempt: "none"}
	}
	return w.claims[max(0, len(w.claims)-1-w.rand.IntN(3))]
}

func (w *world) outcome() string { return []string{"completed", "failed", "stopped"}[w.rand.IntN(3)] }

// expect refuses an error that is none of those expected.
func (w *world) expect(err error, expected ...bool) {
	for _, ok := range expected {
		if ok {
			return
		}
	}
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) check(seed uint64, step int) {
	var holders []string
	leased := false
	for _, c := range w.claims[max(0, len(w.claims)-5):] { // older ones have been left behind for good
		if beat, err := w.Heartbeat(w.t.Context(), c); err == nil {
			holders = append(holders, c.Attempt)
			leased = !beat.Finished
		}
	}
	r := w.read()
	if len(holders) > 1 || len(holders) == 1 && (holders[0] != r.Cloud().Attempt || r.Status() == Waiting) {
		w.t.Errorf("seed %d step %d: %v believe that they hold %s", seed, step, holders, r.fields)
	}
	if l := w.lease(); leased && l.Attempt != holders[0] {
		w.t.Errorf("seed %d step %d: the lease of %v is %+v", seed, step, holders, l)
	}
	if string(r.Field("keep")) != "12345678901234567890" {
		w.t.Errorf("seed %d step %d: lost what the client wrote: %s", seed, step, r.fields)
	}
	unended := 0
	for _, a := range r.Cloud().Attempts {
		if a.Ended.IsZero() {
			unended++
		}
	}
	if unended > 1 {
		w.t.Errorf("seed %d step %d: %d attempts have not ended: %s", seed, step, unended, r.fields)
	}
	id, outcome := r.Cloud().Attempt, r.Cloud().Outcome
	if id == "" || r.Status() != Finished {
		return
	}
	if before, ok := w.outcomes[id]; ok && before != outcome {
		w.t.Errorf("seed %d step %d: attempt %s ended the experiment as %s and then as %s", seed, step, id, before, outcome)
	}
	w.outcomes[id] = outcome
}
