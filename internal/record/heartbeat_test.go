package record

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestHeartbeatTellsWhetherTheAttemptStillHolds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(*cloud, Claim)
		want      Beat
		err       error
	}{
		"nothing happened":           {},
		"the client stops it":        {meanwhile: func(c *cloud, _ Claim) { c.edit("status", `"stopped"`) }, want: Beat{Stopped: true}},
		"the client starts it over":  {meanwhile: func(c *cloud, _ Claim) { c.startOver() }, err: ErrSuperseded},
		"the client writes it anew":  {meanwhile: func(c *cloud, _ Claim) { c.write(`{"status":"waiting"}`) }, err: ErrSuperseded},
		"the client deletes it":      {meanwhile: func(c *cloud, _ Claim) { _ = c.object().Delete(c.t.Context()) }, err: ErrSuperseded},
		"another attempt takes over": {meanwhile: func(c *cloud, _ Claim) { c.pass(DefaultLeaseTTL); c.mustClaim() }, err: ErrSuperseded},
		"its own output ended it":    {meanwhile: (*cloud).final, want: Beat{Finished: true}},
		"the lease object vanished":  {meanwhile: func(c *cloud, claim Claim) { _ = c.dropLease(c.t.Context(), c.ref, claim.Attempt) }},
		"somebody else scribbled on the lease": {meanwhile: func(c *cloud, _ Claim) {
			_, _ = c.put(c.t.Context(), "meta", c.ref.Lease(), c.lease().generation, []byte("{"))
		}},
		"it released itself": {meanwhile: func(c *cloud, claim Claim) { _ = c.Release(c.t.Context(), claim, Drained) }, err: ErrSuperseded},
		"others ended it when its lease ran out": {meanwhile: func(c *cloud, _ Claim) {
			c.pass(DefaultLeaseTTL)
			_ = c.End(c.t.Context(), c.ref, Ending{Outcome: "lost"})
		}, err: ErrSuperseded},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			claim := c.mustClaim()
			c.pass(10 * time.Second)
			if tc.meanwhile != nil {
				tc.meanwhile(c, claim)
			}
			before := c.lease()
			beat, err := c.Heartbeat(t.Context(), claim)
			if beat != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("Heartbeat = %+v, %v; want %+v, %v", beat, err, tc.want, tc.err)
			}
			switch after := c.lease(); {
			case tc.err != nil && after != before:
				t.Errorf("a superseded attempt wrote the lease: %+v", after)
			case tc.want.Finished && after.generation != 0:
				t.Errorf("the lease of a finished experiment stayed: %+v", after)
			case tc.err == nil && !tc.want.Finished && (after.Attempt != claim.Attempt || !after.At.Equal(c.clock())):
				t.Errorf("lease: %+v", after)
			}
		})
	}
}

func (c *cloud) final(claim Claim) {
	c.t.Helper()
	o := Output{Generation: 1, Attempt: claim.Attempt, State: StateFinal, Outcome: "completed", Updated: c.clock()}
	if _, err := c.Finalize(c.t.Context(), c.ref, o); err != nil {
		c.t.Error(err)
	}
}

// The old attempt has read the record and is about to write its lease when the new one claims and writes its own.
func TestHeartbeatNeverOverwritesTheLeaseOfALaterAttempt(t *testing.T) {
	t.Parallel()
	c := setup(t)
	first := c.mustClaim()
	c.pass(DefaultLeaseTTL)
	var second Claim
	c.beforeWrites(1, func() { second = c.mustClaim() })
	if _, err := c.Heartbeat(t.Context(), first); !errors.Is(err, ErrSuperseded) {
		t.Errorf("Heartbeat of the first = %v", err)
	}
	if l := c.lease(); l.Attempt != second.Attempt {
		t.Errorf("lease: %+v", l)
	}
	if _, err := c.Heartbeat(t.Context(), second); err != nil {
		t.Errorf("Heartbeat of the second = %v", err)
	}
}

// Here the new one has claimed but not yet written its lease; the old one's last write must not keep it from doing so.
func TestClaimTakesTheLeaseFromADyingHeartbeat(t *testing.T) {
	t.Parallel()
	c := setup(t)
	first := c.mustClaim()
	c.pass(DefaultLeaseTTL)
	writes := 0
	c.wire.on(func(r *http.Request) {
		if !isWrite(r) {
			return
		}
		if writes++; writes == 2 { // the first is the claim, the second its lease
			if err := New(c.client, c.clock).renew(context.WithoutCancel(t.Context()), Claim{Ref: c.ref, Attempt: first.Attempt, tenure: first.tenure}); err != nil {
				t.Error(err)
			}
		}
	}, nil)
	second := c.mustClaim()
	if l := c.lease(); l.Attempt != second.Attempt {
		t.Errorf("lease: %+v", l)
	}
}

func TestHeartbeatEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := setup(t)
	claim := c.mustClaim()
	c.wire.on(nil, func(_ *http.Request, resp *http.Response) *http.Response {
		resp.StatusCode = http.StatusServiceUnavailable
		return resp
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Heartbeat(ctx, claim); err == nil || errors.Is(err, ErrSuperseded) {
		t.Errorf("Heartbeat = %v", err)
	}
}

func TestReleaseLetsTheNextAttemptStartAtOnce(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for i, outcome := range []string{Infrastructure, Drained, Drained, Infrastructure, Drained, Infrastructure} {
		claim := c.mustClaim()
		if claim.Number != i+1 {
			t.Errorf("number %d after %d attempts", claim.Number, i)
		}
		for range 2 { // twice is harmless
			if err := c.Release(t.Context(), claim, outcome); err != nil {
				t.Fatal(err)
			}
		}
		if l := c.lease(); l.generation != 0 {
			t.Errorf("lease: %+v", l)
		}
	}
	_, err := c.Claim(t.Context(), c.ref, c.claimant())
	var exhausted *ExhaustedError
	if !errors.As(err, &exhausted) || exhausted.Attempts != 3 {
		t.Errorf("Claim after three failures = %v", err)
	}
	c.startOver()
	if claim := c.mustClaim(); claim.Number != 1 {
		t.Errorf("number %d after a new start", claim.Number)
	}
}

func TestReleaseOfASupersededAttemptTouchesNothing(t *testing.T) {
	t.Parallel()
	c := setup(t)
	first := c.mustClaim()
	c.pass(DefaultLeaseTTL)
	second := c.mustClaim()
	if err := c.Release(t.Context(), first, Infrastructure); err != nil {
		t.Fatal(err)
	}
	if l := c.lease(); l.Attempt != second.Attempt || c.read().Cloud().Attempts[0].Outcome != Abandoned {
		t.Errorf("lease %+v, attempts %+v", l, c.read().Cloud().Attempts)
	}
}
