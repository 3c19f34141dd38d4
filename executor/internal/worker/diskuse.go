package worker

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
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

func liesOn(dir string, dev uint64) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Dev == dev
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

func (d disk) below(percent float64) bool {
	bytes, files := d.percentFree()
	return min(bytes, files) < percent
}

// amount is what lies on a disk.
type amount struct {
	bytes, files int64
	linked       map[uint64]bool // files of several names that are counted already
}

// use is what a running attempt has of a disk.
type use struct {
	running
	*amount
}

func (u use) asked() int64 { return u.a.req.Experiment.Resources.HDD }

// beyond is how much more it has than it asked for. Who asked for nothing cannot have more.
func (u use) beyond() int64 {
	if u.asked() == 0 {
		return 0
	}
	return u.bytes - u.asked()
}

func most(uses []use, what func(use) int64) (_ use, ok bool) {
	if len(uses) == 0 {
		return use{}, false
	}
	return slices.MaxFunc(uses, func(x, y use) int { return cmp.Compare(what(x), what(y)) }), true
}

// uses measures what the attempts that may be ended have on a disk: their folders, and what their users wrote where everybody
// may. Folders' paths are made and not asked of the attempts, which may be about to make them.
func (w *Worker) uses(ctx context.Context, dev uint64) (list []use) {
	owners := map[uint32]*amount{}
	for _, r := range w.running.all() {
		if r.ended {
			continue
		}
		u := use{running: r, amount: &amount{}}
		walk(ctx, r.a.root(), dev, func(st *syscall.Stat_t) { u.add(st) })
		if user := r.a.user(); user != nil {
			owners[user.UID] = u.amount
		}
		list = append(list, u)
	}
	for _, dir := range w.Scratch {
		walk(ctx, dir, dev, func(st *syscall.Stat_t) {
			if sum := owners[st.Uid]; sum != nil {
				sum.add(st)
			}
		})
	}
	return slices.DeleteFunc(list, func(u use) bool { return u.files == 0 }) // to end them would free nothing
}

// add counts a file once, whatever number of names it has.
func (sum *amount) add(st *syscall.Stat_t) {
	if st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Nlink > 1 {
		if sum.linked[st.Ino] {
			return
		}
		if sum.linked == nil {
			sum.linked = map[uint64]bool{}
		}
		sum.linked[st.Ino] = true
	}
	sum.bytes += st.Blocks * 512 // the unit of stat(2)
	sum.files++
}

// walk passes over what went away meanwhile, what cannot be read, and what lies on other disks.
func walk(ctx context.Context, dir string, dev uint64, see func(*syscall.Stat_t)) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil {
			return nil //nolint:nilerr // it went away
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Dev == dev {
			see(st)
		}
		return nil
	})
}
