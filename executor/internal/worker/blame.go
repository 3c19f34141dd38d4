package worker

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
)

// blame ends the experiment that is to blame, or one that makes room. It returns false where there is neither.
func (w *Worker) blame(ctx context.Context, d disk, threshold float64) bool {
	uses := w.uses(ctx, d.dev)
	if ctx.Err() != nil {
		return false // not all is counted
	}
	bytes, files := d.percentFree()
	return bytes < threshold && w.endForBytes(uses, d, bytes) || files < threshold && w.endForFiles(uses, d, files)
}

// endForBytes blames who has more than it asked for. Who asked for nothing was promised nothing, and is not to blame.
func (w *Worker) endForBytes(uses []use, d disk, free float64) bool {
	cause := fmt.Errorf("%w: %.0f %% of it is free", errDiskFull, free)
	if u, ok := most(uses, use.beyond); ok && u.beyond() > 0 {
		w.endFor(u, d, cause, fmt.Sprintf(
			"The executor's disk is nearly full, and the experiment was ended: it uses %s, and resources_needed.hdd asks for %s. What it had written is saved. Ask for as much hdd as it needs, or write less.",
			size(u.bytes), size(u.asked())))
		return true
	}
	u, ok := most(uses, func(u use) int64 { return u.bytes })
	if !ok || 2*u.bytes < w.missing(d.bytes, d.free) {
		return false
	}
	w.endFor(u, d, cause, "")
	return true
}

// endForFiles blames who has more files than the reserve, since nobody can ask for a number of files, but only if it asked for disk.
func (w *Worker) endForFiles(uses []use, d disk, free float64) bool {
	cause := fmt.Errorf("%w: %.0f %% of the files that it can hold are left", errDiskFull, free)
	u, ok := most(uses, func(u use) int64 { return u.files })
	if !ok || 2*u.files < w.missing(d.files, d.freeFiles) {
		return false
	}
	sentence := ""
	if u.asked() > 0 && 100*float64(u.files) > float64(w.DiskReserve)*float64(d.files) {
		sentence = fmt.Sprintf(
			"The executor's disk can hold hardly any more files, and the experiment was ended: it has %d. What it had written is saved. Write fewer, larger files.", u.files)
	}
	w.endFor(u, d, cause, sentence)
	return true
}

// missing is how much more would have to be free. To end an experiment that holds little of it would only do harm.
func (w *Worker) missing(all, free int64) int64 {
	return int64(float64(w.DiskReserve)/100*float64(all)) - free
}

// endFor ends an experiment: as failed, if there is a sentence to tell its experimenter.
func (w *Worker) endFor(u use, d disk, cause error, sentence string) {
	u.a.log.Warn("disk is nearly full and an experiment is ended for it", "free_bytes", d.free, "free_files", d.freeFiles,
		"used_bytes", u.bytes, "used_files", u.files, "error", cause, "failed", sentence != "")
	var fault *Fault
	if sentence != "" {
		fault = &Fault{Outcome: Failed, Err: cause, Sentence: sentence}
	}
	w.running.end(u.a, cause, fault)
}

func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }
