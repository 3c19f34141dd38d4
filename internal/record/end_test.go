package record

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestEndDecides(t *testing.T) {
	t.Parallel()
	superseded := func(err error) bool { return errors.Is(err, ErrSuperseded) }
	tests := map[string]struct {
		record  string
		attempt string
		err     func(error) bool
		same    bool   // the record stays as it is
		before  string // outcome of the attempt that was there
	}{
		"no record, before any attempt":     {},
		"no record any more":                {attempt: old, same: true},
		"waiting":                           {record: `{"status":"waiting"}`},
		"stopped":                           {record: `{"status":"stopped"}`},
		"another attempt lives":             {record: justStarted(), err: as[*HeldError], same: true},
		"another attempt is dead":           {record: running("running", ""), before: Abandoned},
		"waiting, an attempt left behind":   {record: running("waiting", ""), before: Superseded},
		"by its attempt":                    {record: justStarted(), attempt: old, before: "refused"},
		"by its attempt after a stop":       {record: running("stopped", ""), attempt: old, before: "refused"},
		"by an attempt that has been left":  {record: running("waiting", ""), attempt: old, err: superseded, same: true},
		"by an attempt that was never here": {record: running("running", ""), attempt: "x", err: superseded, same: true},
		"twice by its attempt":              {record: running("finished", `,"outcome":"failed"`), attempt: old, same: true},
		"finished":                          {record: `{"status":"finished"}`, same: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			if tc.record != "" {
				c.write(tc.record)
			}
			code := 3
			err := c.End(t.Context(), c.ref, Ending{Attempt: tc.attempt, Outcome: "refused", Reason: "It is so.", ExitCode: &code})
			if tc.err == nil && err != nil || tc.err != nil && !tc.err(err) {
				t.Errorf("End = %v", err)
			}
			if tc.same {
				if got, _, _ := c.get(t.Context(), "meta", c.ref.Object()); string(got) != tc.record {
					t.Errorf("the record became %s", got)
				}
				return
			}
			r := c.read()
			cloud := r.Cloud()
			if r.Status() != Finished || !r.Time("time_finished").Equal(began) || cloud.Outcome != "refused" || cloud.Reason != "It is so." || *cloud.ExitCode != 3 {
				t.Errorf("record: %s", r.fields)
			}
			if tc.before != "" && cloud.Attempts[0].Outcome != tc.before {
				t.Errorf("attempts: %+v", cloud.Attempts)
			}
		})
	}
}

func TestEndedExperimentIsNotClaimedUntilTheClientAsksAgain(t *testing.T) {
	t.Parallel()
	c := setup(t)
	claim := c.mustClaim()
	if err := c.End(t.Context(), c.ref, Ending{Attempt: claim.Attempt, Outcome: "refused", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	if l := c.lease(); l.generation != 0 {
		t.Errorf("the lease stayed: %+v", l)
	}
	_, err := c.Claim(t.Context(), c.ref, c.claimant())
	var ended *EndedError
	if !errors.As(err, &ended) || ended.Attempt != claim.Attempt || ended.Outcome != "refused" {
		t.Errorf("Claim = %v", err)
	}
	c.startOver()
	c.pass(time.Second)
	c.mustClaim()
	if cloud := string(c.read().Field("cloud")); strings.Contains(cloud, `"reason"`) {
		t.Errorf("what ended the earlier run stayed: %s", cloud)
	}
}

func TestStopAsksOnceAndOnlyForWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"status":"waiting"}`: true, running("running", ""): true, `{"status":"stopped"}`: false, `{"status":"finished"}`: false,
	} {
		c := setup(t)
		c.write(text)
		if asked, err := c.Stop(t.Context(), c.ref); asked != want || err != nil {
			t.Errorf("Stop of %s = %t, %v", text, asked, err)
		}
		if r := c.read(); want && r.Status() != Stopped || r.Field("cloud") != nil != strings.Contains(text, "cloud") {
			t.Errorf("%s became %s", text, r.fields)
		}
	}
	if _, err := setup(t).Stop(t.Context(), Ref{Bucket: "meta", Key: "gone"}); !errors.Is(err, ErrNotExist) {
		t.Errorf("Stop of what is not there = %v", err)
	}
}
