package worker

import (
	"errors"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// deaf writes a result and does not listen to SIGTERM.
const deaf = `
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open('../modeldir/told', 'w').write('yes')
print('running')
while True: time.sleep(0.05)
`

// A preempted spot node is gone after 15 s, whatever KILL_GRACE says.
func TestAnExecutorThatMustBeGoneSoonKeepsTimeToSave(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.Grace = time.Hour
	var end time.Time
	b.worker.Until = func() time.Time { return end }
	m := b.submit(submission{key: "k1", script: deaf})
	done := b.begin(m, 1)
	end = time.Now().Add(9 * time.Second)
	b.leave()
	got := <-done
	if got.disposition != Return || !errors.Is(got.err, errDraining) || time.Now().After(end) {
		t.Fatalf("Handle = %v, %v, %s before the end; want return, draining", got.disposition, got.err, time.Until(end))
	}
	if outcome := b.record("k1").Cloud().Attempts[0].Outcome; outcome != record.Drained {
		t.Errorf("the attempt ended as %q, want %q", outcome, record.Drained)
	}
	model, _ := b.get(storeBucket, "experiments/k1/modeldir.tar")
	if untar(t, model)["told"] != "yes" {
		t.Error("what the program had written is not saved")
	}
}

func TestTheLastSaveTakesNoLongerThanThePlatformWaits(t *testing.T) {
	t.Parallel()
	const saveTimeout = 10 * time.Minute
	now := time.Now()
	for name, tc := range map[string]struct {
		until  time.Time
		err    error
		leaves bool
		want   time.Duration
	}{
		"a pod with a long grace":     {until: now.Add(time.Hour), err: errDraining, want: time.Hour - afterSave},
		"a node that shuts down":      {until: now.Add(15 * time.Second), err: errDraining, want: 13 * time.Second},
		"too late":                    {until: now.Add(time.Second), err: errDraining},
		"nobody knows":                {err: errDraining, want: partingTimeout},
		"a full disk":                 {until: now.Add(time.Hour), err: errDiskFull, want: saveTimeout},
		"a bad card":                  {until: now.Add(time.Hour), err: errDevice, want: saveTimeout},
		"a full disk and no end":      {err: errDiskFull, want: saveTimeout},
		"a bad card of one that goes": {until: now.Add(9 * time.Second), err: errDevice, leaves: true, want: 7 * time.Second},
		"one that goes, who knows":    {err: errDiskFull, leaves: true, want: partingTimeout},
		"an attempt that failed here": {until: now.Add(time.Hour), err: errors.ErrUnsupported, want: partingTimeout},
	} {
		leave := make(chan struct{})
		if tc.leaves {
			close(leave)
		}
		w := &Worker{Config: Config{SaveTimeout: saveTimeout}, Now: func() time.Time { return now }, Until: func() time.Time { return tc.until }, leave: leave}
		if got := w.parting(tc.err); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
