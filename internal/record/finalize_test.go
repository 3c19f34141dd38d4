package record

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFinalizeDecides(t *testing.T) {
	t.Parallel()
	with := func(record string) string {
		return strings.TrimSuffix(record, "}}") + `,"output":{"generation":5,"size":1}}}`
	}
	released := running("running", `,"ended":"2026-03-01T11:59:00Z","outcome":"infrastructure"`)
	stoppedAfter := strings.Replace(running("stopped", ""), `"cloud":{`, `"cloud":{"outcome":"failed",`, 1)
	final := func(attempt string, generation int64, outcome string) Output {
		return Output{Attempt: attempt, Generation: generation, State: StateFinal, Outcome: outcome, Reason: outcome}
	}
	checkpoint := Change{Kind: Checkpointed, Written: true}
	end := func(outcome, reason string) Change {
		return Change{Kind: Ended, Written: true, Outcome: outcome, Reason: reason}
	}
	tests := map[string]struct {
		record string
		output Output
		want   Change // Why is not compared
		status Status
	}{
		"checkpoint":                      {justStarted(), Output{Attempt: old}, checkpoint, Running},
		"checkpoint after a stop":         {running("stopped", ""), Output{Attempt: old}, checkpoint, Stopped},
		"final":                           {justStarted(), final(old, 6, "failed"), end("failed", "failed"), Finished},
		"final after a stop":              {running("stopped", ""), final(old, 6, "stopped"), end("stopped", "stopped"), Finished},
		"final of a released attempt":     {released, final(old, 6, "failed"), end("failed", "failed"), Finished},
		"duplicate checkpoint":            {with(running("running", "")), Output{Attempt: old, Generation: 5}, Change{Kind: Checkpointed}, Running},
		"duplicate end":                   {with(running("finished", "")), final(old, 5, "x"), Change{Kind: Ended}, Finished},
		"duplicate end, stopped since":    {with(stoppedAfter), final(old, 5, "x"), Change{Kind: Ended, Outcome: "failed"}, Stopped},
		"end that a client wrote over":    {with(running("stopped", "")), final(old, 5, "x"), end("x", "x"), Finished},
		"older":                           {with(running("running", "")), final(old, 4, "x"), Change{}, Running},
		"newer after the end":             {with(running("finished", "")), final(old, 6, "x"), Change{}, Finished},
		"checkpoint after the end":        {with(running("finished", "")), Output{Attempt: old}, Change{}, Finished},
		"late checkpoint of what ended":   {with(running("finished", "")), Output{Attempt: old, Generation: 5}, Change{}, Finished},
		"another attempt's":               {running("running", ""), final("x", 6, "x"), Change{}, Running},
		"nobody's, while an attempt runs": {running("running", ""), final("", 6, "x"), Change{}, Running},
		"left behind by a new start":      {`{"status":"waiting"}`, final(old, 6, "x"), Change{}, Waiting},
		"claim written over by a stop":    {`{"status":"stopped"}`, final(old, 6, "x"), end("x", "x"), Finished},
		"another producer's checkpoint":   {`{"status":"waiting","time_added":1}`, Output{}, checkpoint, Waiting},
		"another producer's end":          {`{"status":"running"}`, final("", 6, ""), end("completed", ""), Finished},
		"another producer's after a stop": {`{"status":"stopped"}`, final("", 6, ""), end("stopped", ""), Finished},
		"another producer's of before":    {`{"status":"waiting","time_added":4e9}`, final("", 6, "x"), Change{}, Waiting},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			c.write(tc.record)
			o := tc.output
			if o.Generation == 0 {
				o.Generation = 6
			}
			o.Size, o.CRC32C, o.Updated, o.Document = 7, 0x01020304, began, []byte(`{"a":1.50}`)
			got, err := c.Finalize(t.Context(), c.ref, o)
			why := got.Why
			if got.Why = ""; err != nil || got != tc.want || (why == "") == (got.Kind == Unchanged) {
				t.Errorf("Finalize = %+v (%s), %v; want %+v", got, why, err, tc.want)
			}
			r := c.read()
			if r.Status() != tc.status {
				t.Errorf("status %s; want %s", r.Status(), tc.status)
			}
			if !got.Written {
				if data, _ := r.JSON(); strings.Contains(string(data), "1.50") {
					t.Errorf("record: %s", data)
				}
				return
			}
			cloud := r.Cloud()
			if *cloud.Output != (Stored{Generation: o.Generation, CRC32C: "AQIDBA==", Size: 7}) || string(cloud.Document) != `{"a":1.50}` {
				t.Errorf("cloud: %+v", cloud)
			}
			if at := r.Time("time_last_checkpoint"); !at.Equal(began) {
				t.Errorf("time_last_checkpoint = %v", at)
			}
			if at := r.Time("time_finished"); got.Kind == Ended && !at.Equal(began) {
				t.Errorf("time_finished = %v", at)
			}
		})
	}
}

func TestFinalizeDoesNotBringADeletedRecordBack(t *testing.T) {
	t.Parallel()
	c := setup(t)
	got, err := c.Finalize(t.Context(), c.ref, Output{Generation: 1, State: StateFinal})
	if err != nil || got.Kind != Unchanged || got.Why == "" {
		t.Errorf("Finalize = %+v, %v", got, err)
	}
	if _, err := c.Read(t.Context(), c.ref); !errors.Is(err, ErrNotExist) {
		t.Errorf("Read = %v", err)
	}
}

func TestFinalizeRefusesADocumentThatIsNotJSON(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.write(`{}`)
	if _, err := c.Finalize(t.Context(), c.ref, Output{Generation: 1, Document: []byte("{")}); !errors.Is(err, ErrMalformed) {
		t.Errorf("Finalize = %v", err)
	}
}

func TestFinalizeMarksItsAttempt(t *testing.T) {
	t.Parallel()
	c := setup(t)
	claim := c.mustClaim()
	ended := began.Add(time.Hour)
	_, err := c.Finalize(t.Context(), c.ref, Output{Generation: 1, Attempt: claim.Attempt, State: StateFinal, Outcome: "failed", EndedAt: ended, Updated: ended.Add(time.Second)})
	if a := c.read().Cloud().Attempts[0]; err != nil || !a.Ended.Equal(ended) || a.Outcome != "failed" {
		t.Errorf("attempt %+v, %v", a, err)
	}
}

func TestMetadataSaysWhoseOutputItIs(t *testing.T) {
	t.Parallel()
	if key, o, err := ReadMetadata(map[string]string{"goog-reserved": "x"}); key != "" || o.Attempt != "" || err != nil {
		t.Errorf("another producer's: %q, %+v, %v", key, o, err)
	}
	m := map[string]string{
		MetaExperiment: "k", MetaAttempt: "a", MetaState: StateFinal, MetaOutcome: "failed", MetaReason: "r", MetaExitCode: "-9",
		MetaStartedAt: "2026-03-01T12:00:00Z", MetaEndedAt: "2026-03-01T12:00:01.5Z",
	}
	key, o, err := ReadMetadata(m)
	if err != nil || key != "k" || o.Attempt != "a" || o.State != StateFinal || *o.ExitCode != -9 || o.Reason != "r" ||
		!o.StartedAt.Equal(began) || !o.EndedAt.Equal(began.Add(1500*time.Millisecond)) {
		t.Errorf("ours: %q, %+v, %v", key, o, err)
	}
	m[MetaExitCode], m[MetaEndedAt], m[MetaOutcome] = "one", "now", "grand"
	if _, o, err = ReadMetadata(m); err == nil || o.ExitCode != nil || !o.EndedAt.IsZero() || o.Outcome != "" || o.State != StateFinal {
		t.Errorf("with values that cannot be read: %+v, %v", o, err)
	}
}
