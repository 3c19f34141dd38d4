package doctor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestChecksRunAtOnceAndAreShownInOrderEachWithinItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context) Finding { time.Sleep(5 * time.Second); return pass("slow") }
		hangs := func(context.Context) Finding { time.Sleep(time.Hour); return pass("far too late") }
		says := func(ctx context.Context) Finding { <-ctx.Done(); return fail(ctx.Err(), "wait") }
		quick := func(context.Context) Finding { return Finding{Warn, "quick", "look"} }
		var shown []Line
		began := time.Now()
		failed, err := Run(t.Context(), []Check{{"a", slow}, {"b", hangs}, {"c", says}, {"d", slow}, {"e", quick}}, 10*time.Second, func(l Line) error {
			shown = append(shown, l)
			return nil
		})
		if took := time.Since(began); failed != 2 || err != nil || took > 12*time.Second {
			t.Errorf("Run = %d, %v after %s; want 2 failed", failed, err, took)
		}
		want := []Line{{"a", pass("slow")}, {"b", shown[1].Finding}, {"c", fail(context.DeadlineExceeded, "wait")}, {"d", pass("slow")}, {"e", Finding{Warn, "quick", "look"}}}
		if !slices.Equal(shown, want) {
			t.Errorf("shown %v; want %v", shown, want)
		}
		expect(t, shown[1].Finding, Fail, "no answer within 10s", "--within")
		time.Sleep(time.Hour) // until the one that hangs has ended, too
	})
}

func TestKeysMustFitThoseOfTheCluster(t *testing.T) {
	t.Parallel()
	accepted := []Key{{For: "request", Fingerprint: "A"}, {For: "signing", Fingerprint: "B"}, {For: "signing", Fingerprint: "C"}}
	tests := map[string]struct {
		keys       Keys
		status     Status
		says, next string
	}{
		"pairs":            {Keys{Accepted: accepted, Mine: []Key{{For: "request", Fingerprint: "A"}, {For: "signing", Fingerprint: "C"}}}, Pass, "2 keys", ""},
		"another key":      {Keys{Accepted: accepted, Mine: []Key{{For: "request", Fingerprint: "Z", From: "r.pem"}}}, Fail, "r.pem (Z) is none", "studioctl keys accepted"},
		"of another kind":  {Keys{Accepted: accepted, Mine: []Key{{For: "signing", Fingerprint: "A"}}}, Fail, "none", "studioctl keys"},
		"unreadable":       {Keys{Accepted: accepted, Mine: []Key{{For: "signing", Err: errors.New("no such file")}}}, Fail, "no such file", "studioctl keys"},
		"cluster at fault": {Keys{Accepted: accepted, Faults: errors.New("rmq_lab: bad key")}, Fail, "rmq_lab: bad key", "mend"},
		"kind not known":   {Keys{Accepted: accepted, Mine: []Key{{For: "report", Fingerprint: "A"}}}, NotHere, "not known here: report", "--secrets"},
		"nothing known":    {Keys{}, NotHere, "known here", "--secrets"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, tc.keys.examine(t.Context()), tc.status, tc.says, tc.next)
		})
	}
}
