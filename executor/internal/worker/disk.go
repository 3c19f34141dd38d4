package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// lookAtDiskEvery is often enough for a disk of 200 GB, of which a fast one takes 1 GB a second.
const lookAtDiskEvery = 5 * time.Second

// errDiskFull ends attempts that are not to blame for it.
var errDiskFull = errors.New("the executor's disk is nearly full")

// diskWatch is what was said already: the same line every 5 s helps nobody. Only WatchDisk's goroutine has it.
type diskWatch struct {
	unseen    map[string]bool      // folders whose disk cannot be looked at
	blameless map[uint64]bool      // disks that are nearly full through nobody's fault
	rest      map[uint64]time.Time // until when nobody's files on such a disk are counted again
}

// WatchDisk makes room while less of a disk is free than its reserve, until ctx is done: it removes cached environments and what
// earlier attempts left, and then ends experiments one by one. One that uses more than it asked for fails; one that holds much of
// what is missing goes on elsewhere; where neither is there, the executor leaves to another. Without it, the kubelet ends all of them: it
// evicts the pod, within a second, when a tenth of the node's disk is free (nodefs.available; imagefs.available is 15 %), and as
// soon as a limit of ephemeral storage is passed, of which the pod has none for that reason.
func (w *Worker) WatchDisk(ctx context.Context) {
	if w.DiskReserve == 0 {
		return
	}
	if err := os.MkdirAll(w.WorkDir, 0o711); err != nil { //nolint:gosec // as for the first attempt
		w.Log.Warn("work folder cannot be made", "error", err)
	}
	ticker := time.NewTicker(lookAtDiskEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.relieveDisks(ctx)
		}
	}
}

func (w *Worker) relieveDisks(ctx context.Context) {
	seen := map[uint64]bool{}
	for _, dir := range append([]string{w.WorkDir}, w.Scratch...) {
		d, err := w.disk(dir)
		w.tellUnseen(dir, err)
		if err == nil && !seen[d.dev] && !d.memory {
			seen[d.dev] = true
			w.relieve(ctx, dir, d)
		}
	}
}

// tellUnseen takes a folder that is not there for one in which nothing is.
func (w *Worker) tellUnseen(dir string, err error) {
	unseen := err != nil && !errors.Is(err, fs.ErrNotExist)
	if unseen && !w.disks.unseen[dir] {
		w.Log.Warn("disk cannot be looked at", "folder", dir, "error", err)
	}
	if w.disks.unseen == nil {
		w.disks.unseen = map[string]bool{}
	}
	w.disks.unseen[dir] = unseen
}

func (w *Worker) disk(dir string) (disk, error) {
	if w.statfs != nil {
		return w.statfs(dir)
	}
	return statfs(dir)
}

// relieve looks at files only where the disk has too little left: there may be millions. What ends is still being saved, perhaps:
// as long as it is there, the next experiment goes only when half of what was left then is used up, too.
func (w *Worker) relieve(ctx context.Context, dir string, d disk) {
	threshold, ending := float64(w.DiskReserve), 0
	for _, r := range w.running.all() {
		if r.ended {
			threshold /= 2
			ending++
		}
	}
	if !d.below(threshold) {
		delete(w.disks.blameless, d.dev)
		delete(w.disks.rest, d.dev)
		return
	}
	enough := func() bool {
		now, err := w.disk(dir)
		if err == nil {
			d = now
		}
		return err == nil && !d.below(threshold)
	}
	w.evictCached(ctx, d.dev, enough)
	w.removeStale(d.dev, enough)
	if enough() || w.Now().Before(w.disks.rest[d.dev]) {
		return
	}
	began := w.Now()
	if !w.blame(ctx, d, threshold) && ending == 0 && ctx.Err() == nil {
		w.leaveDisk(d)
		w.restFrom(d, 9*w.Now().Sub(began))
	}
}

// restFrom keeps the counting of millions of files, which blames nobody, to a tenth of the time.
func (w *Worker) restFrom(d disk, pause time.Duration) {
	if w.disks.rest == nil {
		w.disks.rest = map[uint64]time.Time{}
	}
	w.disks.rest[d.dev] = w.Now().Add(min(pause, time.Minute))
}

// evictCached removes environments that nobody uses, if they are on this disk: they can be built again.
func (w *Worker) evictCached(ctx context.Context, dev uint64, enough func() bool) {
	if !liesOn(w.CacheDir, dev) {
		return
	}
	removed, err := w.Environments.Relieve(ctx, enough)
	if removed > 0 {
		w.Log.Warn("disk is nearly full and cached environments were removed", "removed", removed)
	}
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("cached environments are not removed as they should be", "error", err)
	}
}

// leaveDisk gives up a disk that is full of what is nobody's here, where another executor takes its place. Elsewhere nobody
// would, and whoever starts it again does so with the same disk.
func (w *Worker) leaveDisk(d disk) {
	if w.disks.blameless[d.dev] {
		return
	}
	if w.disks.blameless == nil {
		w.disks.blameless = map[uint64]bool{}
	}
	w.disks.blameless[d.dev] = true
	leaves := w.Whole && w.Unfit != nil
	w.Log.Error("disk is nearly full, and no experiment here is to blame", "free_bytes", d.free, "free_files", d.freeFiles,
		"disk_reserve", w.DiskReserve, "leaves", leaves)
	if leaves {
		w.Unfit()
	}
}
