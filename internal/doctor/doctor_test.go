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
	accepted := []Key{
		{For: "request", Fingerprint: "A"}, {For: "signing", Prefix: "rmq_", Fingerprint: "B"}, {For: "signing", Prefix: "rmq_lab", Fingerprint: "C"},
		{For: "signing", Prefix: "rmq_lab", Fingerprint: "D"}, {For: "report", Prefix: "rmq_lab", Fingerprint: "E"},
	}
	mine := func(kind, fingerprint string) []Key {
		return []Key{{For: kind, Fingerprint: fingerprint, From: "mine.pem"}}
	}
	whole := map[string]bool{"request": true, "signing": true, "report": true}
	tests := map[string]struct {
		keys       Keys
		status     Status
		says, next string
	}{
		"pairs":               {Keys{Accepted: accepted, Queue: "rmq_lab_1", Mine: append(append(mine("request", "A"), mine("signing", "D")...), mine("report", "E")...)}, Pass, "your 3 keys for the queue rmq_lab_1", ""},
		"no queue":            {Keys{Accepted: accepted, Mine: mine("signing", "B")}, Pass, "your 1 keys", ""},
		"another key":         {Keys{Accepted: accepted, Mine: mine("request", "Z")}, Fail, "mine.pem (Z) is none", "studioctl keys accepted"},
		"of another kind":     {Keys{Accepted: accepted, Mine: mine("signing", "A")}, Fail, "none", "studioctl keys"},
		"of a shorter prefix": {Keys{Accepted: accepted, Queue: "rmq_lab_1", Mine: mine("signing", "B")}, Fail, "for queues that begin with rmq_, not for rmq_lab_1", "studioctl keys"},
		"of a longer prefix":  {Keys{Accepted: accepted, Queue: "rmq_other", Mine: mine("signing", "C")}, Fail, "for queues that begin with rmq_lab, not for rmq_other", "studioctl keys"},
		"of nobody here":      {Keys{Accepted: accepted, Queue: "rmq_lab_1", Mine: mine("signing", "Z")}, Fail, "none of those that the cluster has for the queue rmq_lab_1", "studioctl keys"},
		"none known for it":   {Keys{Accepted: accepted, Queue: "rmq_other", Mine: mine("report", "E")}, NotHere, "not known here: report", "--secrets"},
		"none there for it":   {Keys{Accepted: accepted, Whole: whole, Queue: "rmq_other", Mine: mine("report", "Z")}, Fail, "none of those", "studioctl keys"},
		"unreadable":          {Keys{Accepted: accepted, Mine: []Key{{For: "signing", Err: errors.New("no such file")}}}, Fail, "no such file", "studioctl keys"},
		"cluster at fault":    {Keys{Accepted: accepted, Faults: errors.New("rmq_lab: bad key")}, Fail, "rmq_lab: bad key", "mend"},
		"kind not known":      {Keys{Accepted: accepted[:2], Mine: mine("report", "A")}, NotHere, "not known here: report", "--secrets"},
		"nothing known":       {Keys{}, NotHere, "the cluster's keys are not known", "--secrets"},
		"only the cluster's":  {Keys{Accepted: accepted}, NotHere, "none of the cluster's 5 keys is at fault; your own keys", "context"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, tc.keys.examine(t.Context()), tc.status, tc.says, tc.next)
		})
	}
}
