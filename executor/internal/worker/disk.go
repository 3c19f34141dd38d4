package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// lookAtDiskEvery is often enough for a disk of 200 GB, of which a fast one takes 1 GB a second.
const lookAtDiskEvery = 5 * time.Second

// errDiskFull ends attempts that are not to blame for it.
var errDiskFull = errors.New("the executor's disk is nearly full")

// WatchDisk ends experiments one by one while less of a disk is free than its reserve, until ctx is done: first those that use
// more than they asked for, which fail; then the largest, which goes on elsewhere. Without it, the kubelet ends all of them: it
// evicts the pod, within a second, when a tenth of the node's disk is free (nodefs.available; imagefs.available is 15 %), and as
// soon as a limit of ephemeral storage is passed, of which the pod has none for that reason.
func (w *Worker) WatchDisk(ctx context.Context) {
	if w.DiskReserve == 0 {
		return
	}
	ticker := time.NewTicker(lookAtDiskEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.relieveDisks()
		}
	}
}

func (w *Worker) relieveDisks() {
	seen := map[uint64]bool{}
	for _, dir := range append([]string{w.WorkDir}, w.Scratch...) {
		d, err := w.disk(dir)
		if err != nil {
			w.Log.Warn("disk cannot be looked at", "folder", dir, "error", err)
			continue
		}
		if !seen[d.dev] && !d.memory {
			seen[d.dev] = true
			w.relieve(d)
		}
	}
}

func (w *Worker) disk(dir string) (disk, error) {
	if w.statfs != nil {
		return w.statfs(dir)
	}
	return statfs(dir)
}

// relieve ends one experiment where the disk has too little left. What was ended before is still being saved, perhaps: as long
// as it is there, the next one goes only when half of what was left then is used up, too.
func (w *Worker) relieve(d disk) {
	running := w.running.all()
	threshold := float64(w.DiskReserve)
	var uses []use
	for _, r := range running {
		if r.ended {
			threshold /= 2
			continue
		}
		if has := w.amount(r.a, d.dev); has.files > 0 { // to end the others would free nothing
			uses = append(uses, use{running: r, amount: has})
		}
	}
	bytes, files := d.percentFree()
	switch {
	case len(uses) == 0:
	case bytes < threshold:
		w.end(mostBeyond(uses), d, bytes)
	case files < threshold:
		w.endForFiles(mostFiles(uses), d, files)
	}
}

// end ends who uses most beyond what it asked for. Where nobody does, the disk is smaller than its pool says, or full of others' things.
func (w *Worker) end(u use, d disk, free float64) {
	asked := u.a.req.Experiment.Resources.HDD
	cause := fmt.Errorf("%w: %.0f %% of it is free", errDiskFull, free)
	if u.bytes > asked {
		cause = &Fault{Outcome: Failed, Err: cause, Sentence: fmt.Sprintf(
			"The executor's disk is nearly full, and the experiment was ended: it uses %s, and resources_needed.hdd asks for %s. What it had written is saved. Ask for as much hdd as it needs, or write less.",
			size(u.bytes), size(asked))}
	}
	w.endFor(u, d, cause)
}

// endForFiles takes who has more files than the reserve for the one to blame: nobody can ask for a number of files.
func (w *Worker) endForFiles(u use, d disk, free float64) {
	cause := fmt.Errorf("%w: %.0f %% of the files that it can hold are left", errDiskFull, free)
	if 100*float64(u.files) > float64(w.DiskReserve)*float64(d.files) {
		cause = &Fault{Outcome: Failed, Err: cause, Sentence: fmt.Sprintf(
			"The executor's disk can hold hardly any more files, and the experiment was ended: it has %d. What it had written is saved. Write fewer, larger files.", u.files)}
	}
	w.endFor(u, d, cause)
}

func (w *Worker) endFor(u use, d disk, cause error) {
	u.a.log.Warn("disk is nearly full and an experiment is ended for it", "free_bytes", d.free, "free_files", d.freeFiles,
		"used_bytes", u.bytes, "used_files", u.files, "error", cause)
	w.running.end(u.a, cause)
}

func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }
