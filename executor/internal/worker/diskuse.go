package worker

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is a file system and what it has left.
type disk struct {
	dev              uint64
	memory           bool  // it is none: what is written there counts as memory
	bytes, free      int64 // free for everybody, as the kubelet counts it
	files, freeFiles int64 // 0 where there is no bound
}

func statfs(dir string) (disk, error) {
	var has unix.Statfs_t
	if err := unix.Statfs(dir, &has); err != nil {
		return disk{}, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return disk{}, fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	return disk{
		dev: st.Dev, memory: has.Type == unix.TMPFS_MAGIC,
		bytes: int64(has.Blocks) * has.Bsize, free: int64(has.Bavail) * has.Bsize, //nolint:gosec // far below 8 EiB
		files: int64(has.Files), freeFiles: int64(has.Ffree), //nolint:gosec // likewise
	}, nil
}

// percentFree is 100 of what is not bounded.
func (d disk) percentFree() (bytes, files float64) {
	bytes, files = 100, 100
	if d.bytes > 0 {
		bytes = 100 * float64(d.free) / float64(d.bytes)
	}
	if d.files > 0 {
		files = 100 * float64(d.freeFiles) / float64(d.files)
	}
	return bytes, files
}

// amount is what lies on a disk.
type amount struct{ bytes, files int64 }

// use is what a running attempt has of a disk.
type use struct {
	running
	amount
}

// mostBeyond is who uses most beyond what it asked for, or least below it.
func mostBeyond(uses []use) use {
	return slices.MaxFunc(uses, func(x, y use) int { return cmp.Compare(x.beyond(), y.beyond()) })
}

func (u use) beyond() int64 { return u.bytes - u.a.req.Experiment.Resources.HDD }

func mostFiles(uses []use) use {
	return slices.MaxFunc(uses, func(x, y use) int { return cmp.Compare(x.files, y.files) })
}

// amount measures what an attempt has on a disk: its folder, and what its user wrote where everybody may. The folder's path is
// looked for and not asked of the attempt, which may be about to make it.
func (w *Worker) amount(a *attempt, dev uint64) (sum amount) {
	sum.add(filepath.Join(w.WorkDir, a.ref.Key+"."+a.claim.Attempt), func(st *syscall.Stat_t) bool { return st.Dev == dev })
	if user := w.user(a.slot); user != nil {
		for _, dir := range w.Scratch {
			sum.add(dir, func(st *syscall.Stat_t) bool { return st.Dev == dev && st.Uid == user.UID })
		}
	}
	return sum
}

// add counts the files below dir. What goes away meanwhile, or cannot be read, is not counted.
func (sum *amount) add(dir string, counts func(*syscall.Stat_t) bool) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it went away
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) || err != nil {
			return nil //nolint:nilerr // likewise
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && counts(st) {
			sum.bytes += st.Blocks * 512 // the unit of stat(2)
			sum.files++
		}
		return nil
	})
}
