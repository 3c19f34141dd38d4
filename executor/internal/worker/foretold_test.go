package worker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// What studioctl explain foretells is what the experimenter reads afterwards, word for word.
func TestTheExecutorSaysWhatPreflightForetold(t *testing.T) {
	t.Parallel()
	_, unreadable := pyspec.ParseRequirements([]string{"../local"})
	data := func(art map[string]any) submission {
		return submission{script: "pass", artifacts: map[string]any{"data": art}}
	}
	for name, tc := range map[string]struct {
		submission
		python  error
		outcome Outcome
	}{
		"expired": {submission: submission{
			script: "pass", change: map[string]any{"time_added": float64(time.Now().Add(-time.Hour).Unix())}, config: map[string]any{"experimentLifetime": "30m"},
		}, outcome: Expired},
		"no workspace": {submission: submission{script: "pass", change: map[string]any{"artifacts": map[string]any{}}}, outcome: Failed},
		"output elsewhere": {submission: submission{script: "pass", artifacts: map[string]any{
			"output": map[string]any{"bucket": storeBucket, "key": "mine/output.tar", "mutable": true},
		}}, outcome: Refused},
		"results elsewhere": {submission: submission{script: "pass", artifacts: map[string]any{
			"_results": map[string]any{"qualified": "gs://somebody-elses/r.tar", "mutable": true},
		}}, outcome: Refused},
		"an artifact of others":      {submission: data(map[string]any{"qualified": "gs://somebody-elses/x.tar", "mutable": false}), outcome: Refused},
		"an artifact without object": {submission: data(map[string]any{"qualified": "ftp://host/x.tar", "mutable": false}), outcome: Failed},
		"written elsewhere":          {submission: data(map[string]any{"qualified": "gs://somebody-elses/x.tar", "mutable": true}), outcome: Refused},
		"a local requirement": {submission: submission{
			script: "pass", change: map[string]any{"pythonenv": []string{"../local"}},
		}, python: unreadable, outcome: Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.python.err = tc.python
			tc.key = "k1"
			m := b.submit(tc.submission)
			d, err := b.worker.Policy.Decide(m.Queue, m.Data)
			if err != nil {
				t.Fatal(err)
			}
			var fault *Fault
			plan := preflight.Plan{Request: d.Request, Tenant: d.Tenant, Stores: b.worker.Stores}
			if err := plan.Check(time.Now()); !errors.As(err, &fault) || fault.Outcome != tc.outcome {
				t.Fatalf("Check = %v; want a fault, %s", err, tc.outcome)
			}
			if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
				t.Fatalf("Handle = %v, %v; want acknowledge", got, err)
			}
			cloud := b.record("k1").Cloud()
			said, outcome := cloud.Reason, cloud.Outcome
			if outcome == "" { // there is an output that says it
				output, meta := b.output("k1")
				said, outcome = output, meta[record.MetaOutcome]
			}
			if !strings.Contains(said, fault.Sentence) || outcome != string(fault.Outcome) {
				t.Errorf("foretold %s, %q; it came as %s:\n%s", fault.Outcome, fault.Sentence, outcome, said)
			}
		})
	}
}
