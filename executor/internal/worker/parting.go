package worker

import (
	"errors"
	"math"
	"time"
)

// partingTimeout bounds what an attempt that ends without an end of its experiment still does.
const partingTimeout = 12 * time.Second

// afterSave is what is left, of the time until the platform ends the executor, for giving the claim and the delivery back.
const afterSave = 2 * time.Second

// parting is how long an attempt may save that ends for this reason. A preempted spot node gives ordinary pods 15 s in all, a
// job on Cloud Run 10 s; a pod that was drained for days has as much time as its grace leaves. Where the executor stays, or
// nothing has told it to be quick, an experiment that goes on elsewhere may bring all that it has written.
func (w *Worker) parting(err error) time.Duration {
	stays := errors.Is(err, errDiskFull) || errors.Is(err, errDevice)
	leaves := w.leaves() || errors.Is(err, errDraining)
	left, known := w.left()
	switch {
	case leaves && known && (stays || errors.Is(err, errDraining)):
		return max(left-afterSave, 0)
	case stays && !leaves:
		return w.SaveTimeout
	default:
		return partingTimeout
	}
}

// leaves tells whether the executor was told to save what runs and go.
func (w *Worker) leaves() bool {
	select {
	case <-w.leave:
		return true
	default:
		return false
	}
}

// hurry is the most that a program may take to end: a third of the time that is left, so that its results can be saved.
func (w *Worker) hurry() time.Duration {
	if left, known := w.left(); known && w.leaves() {
		return max(left/3, 0)
	}
	return math.MaxInt64
}

// left is the time until the platform ends the executor, where that is known.
func (w *Worker) left() (time.Duration, bool) {
	if w.Until == nil {
		return 0, false
	}
	until := w.Until()
	return until.Sub(w.Now()), !until.IsZero()
}
