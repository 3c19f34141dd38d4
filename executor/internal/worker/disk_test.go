package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// writes is a program that writes so many bytes and then runs on.
const writes = `
import sys, time
with open('../modeldir/data', 'wb') as f: f.write(b'x' * int(sys.argv[1]))
print('running', flush=True)
while True: time.sleep(0.05)
`

// nearlyFull makes every disk seem to have so much free, in percent of bytes and of files.
func (b *bundle) nearlyFull(bytes, files int64) {
	b.worker.DiskReserve = 20
	b.worker.statfs = func(dir string) (disk, error) {
		d, err := statfs(dir)
		d.memory, d.bytes, d.free, d.files, d.freeFiles = false, 100, bytes, 100, files
		return d, err
	}
}

func (b *bundle) writer(key, size, hdd string) message.Relayed {
	return b.submit(submission{
		key: key, script: writes, args: []string{size},
		change: map[string]any{"resources_needed": map[string]any{"cpus": 1, "ram": "1gb", "hdd": hdd}},
	})
}

// One experiment's writing must not end the others, as it would if the pod were evicted.
func TestAnExperimentThatFillsTheDiskFailsAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.nearlyFull(15, 100)
	modest := b.begin(b.writer("modest", "9000000", "1gb"), 1)
	greedy := b.begin(b.writer("greedy", "5000000", "1mb"), 1)
	b.worker.relieveDisks(t.Context())
	if got := <-greedy; got.disposition != Acknowledge || got.err != nil {
		t.Fatalf("Handle = %v, %v; want acknowledge", got.disposition, got.err)
	}
	output, meta := b.output("greedy")
	if meta[record.MetaOutcome] != string(Failed) || !strings.Contains(output, "resources_needed.hdd asks for 1.0 MB") {
		t.Errorf("it ended as %q:\n%s", meta[record.MetaOutcome], output)
	}
	model, _ := b.get(storeBucket, "experiments/greedy/modeldir.tar")
	if len(untar(t, model)["data"]) != 5_000_000 {
		t.Error("what it had written is not saved")
	}
	b.leave()
	if got := <-modest; !errors.Is(got.err, errDraining) {
		t.Errorf("the other one ended: %v", got.err)
	}
}

// Where nobody has more than was asked for, the disk is at fault, and no experiment fails for it.
func TestTheLargestExperimentGoesOnElsewhereWhereNobodyIsToBlameForAFullDisk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.nearlyFull(15, 100)
	small := b.begin(b.writer("small", "1000", "1gb"), 1)
	large := b.begin(b.writer("large", "5000000", "1gb"), 1)
	b.worker.relieveDisks(t.Context())
	if got := <-large; got.disposition != Return || !errors.Is(got.err, errDiskFull) {
		t.Fatalf("Handle = %v, %v; want return because of the disk", got.disposition, got.err)
	}
	if outcome := b.record("large").Cloud().Attempts[0].Outcome; outcome != record.Infrastructure {
		t.Errorf("the attempt ended as %q, want %q", outcome, record.Infrastructure)
	}
	b.leave()
	if got := <-small; !errors.Is(got.err, errDraining) {
		t.Errorf("the other one ended: %v", got.err)
	}
}

func TestExperimentsAreEndedOneByOneWhileTheDiskIsNearlyFull(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bytes, files int64
		hdd          map[string]int64 // what they asked for
		ended        []string
		settling     []string
		want         []string
		failed       bool // and not by the infrastructure's fault
	}{
		"enough is free":                          {bytes: 20, files: 100},
		"too little is free":                      {bytes: 19, files: 100, want: []string{"b"}},
		"too few files are left":                  {bytes: 90, files: 19, want: []string{"c"}},
		"one has more than it asked for":          {bytes: 19, files: 100, hdd: map[string]int64{"a": 4000, "b": 1 << 20, "c": 1 << 20}, want: []string{"a"}, failed: true},
		"nobody has many of the files":            {bytes: 90, files: 1},
		"one settles by itself":                   {bytes: 11, files: 100, settling: []string{"b"}},
		"one settles and it goes on":              {bytes: 9, files: 100, settling: []string{"b"}, want: []string{"c"}},
		"one is being saved":                      {bytes: 11, files: 100, ended: []string{"b"}},
		"one is being saved and it goes on":       {bytes: 9, files: 100, ended: []string{"b"}, want: []string{"c"}},
		"two are being saved":                     {bytes: 6, files: 100, ended: []string{"b", "c"}},
		"all are being saved, nobody is to blame": {bytes: 1, files: 1, ended: []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.nearlyFull(tc.bytes, tc.files)
			contexts := map[string]context.Context{}
			for key, files := range map[string][]int{"a": {10}, "b": {100_000}, "c": {40_000, 40_000}} {
				ctx, stop := context.WithCancelCause(t.Context())
				t.Cleanup(func() { stop(nil) })
				contexts[key] = ctx
				a := b.lay(key, files)
				a.req.Experiment.Resources.HDD = tc.hdd[key]
				b.worker.running.add(a, stop)
				b.worker.running.opened(a)
				if slices.Contains(tc.settling, key) {
					b.worker.running.settles(a)
				}
			}
			for _, r := range b.worker.running.all() {
				if slices.Contains(tc.ended, r.a.ref.Key) {
					b.worker.running.end(r.a, context.Canceled, nil)
				}
			}
			b.worker.relieveDisks(t.Context())
			var got []string
			for _, key := range []string{"a", "b", "c"} {
				if cause := context.Cause(contexts[key]); errors.Is(cause, errDiskFull) {
					got = append(got, key)
					if failed := errors.As(cause, new(*Fault)); failed != tc.failed {
						t.Errorf("%s ended with %v: failed %t, want %t", key, cause, failed, tc.failed)
					}
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("ended %v, want %v", got, tc.want)
			}
		})
	}
}

// lay makes the folder of an attempt that does not run, with files of these sizes.
func (b *bundle) lay(key string, sizes []int) *attempt {
	b.t.Helper()
	a := &attempt{
		experiment: &experiment{w: b.worker, ref: record.Ref{Key: key}, req: &request.Request{}, log: b.worker.Log},
		claim:      record.Claim{Attempt: "1"}, log: b.worker.Log,
	}
	dir := filepath.Join(b.worker.WorkDir, key+".1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for i, size := range sizes {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, size), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	return a
}

// The disk is full of what is nobody's here: to end experiments that hold little would free nothing, and lose them in the end.
func TestTheExecutorLeavesADiskThatIsFullThroughNobodysFaultWhereAnotherTakesItsPlace(t *testing.T) {
	t.Parallel()
	for whole, want := range map[bool]int{true: 1, false: 0} {
		t.Run(fmt.Sprintf("replaced %t", whole), func(t *testing.T) {
			t.Parallel()
			fullThroughNobodysFault(t, whole, want)
		})
	}
}

func fullThroughNobodysFault(t *testing.T, whole bool, want int) {
	t.Helper()
	b := setup(t)
	b.nearlyFull(15, 100)
	limited := b.worker.statfs
	b.worker.statfs = func(dir string) (disk, error) {
		d, err := limited(dir)
		d.bytes, d.free = d.bytes<<30, d.free<<30
		return d, err
	}
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	a := b.lay("innocent", []int{100_000})
	a.req.Experiment.Resources.HDD = 1 << 20
	b.worker.running.add(a, stop)
	told, left := 0, 0
	b.worker.Log = slog.New(onMessage{slog.DiscardHandler, "disk is nearly full, and no experiment here is to blame", func() { told++ }})
	b.worker.Whole, b.worker.Unfit = whole, func() { left++ }
	for i := range 2 { // far enough apart to count files again
		b.worker.Now = func() time.Time { return time.Now().Add(time.Duration(i) * time.Hour) }
		b.worker.relieveDisks(t.Context())
	}
	if told != 1 || left != want || ctx.Err() != nil {
		t.Errorf("it was logged %d times, the executor told to leave %d times, its experiment ended with %v; want once, %d, and not",
			told, left, context.Cause(ctx), want)
	}
}

func TestWhatNobodyUsesGoesBeforeAnExperimentIsEnded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cache bool          // environments are on this disk
		kept  time.Duration // for so long
		free  func(b *bundle, stale string) bool
		gone  bool
		ended bool
	}{
		"environments":                     {cache: true, free: func(b *bundle, _ string) bool { return b.python.relieved > 0 }},
		"not if they are elsewhere":        {free: func(b *bundle, _ string) bool { return b.python.relieved > 0 }, gone: true, ended: true},
		"what an earlier executor left":    {cache: true, free: missing, gone: true},
		"what was kept for long":           {kept: keptFor, free: missing, gone: true},
		"not what was kept just now":       {kept: keptFor - time.Second, free: missing, ended: true},
		"everything, and it is not enough": {cache: true, free: func(*bundle, string) bool { return false }, gone: true, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			stale := b.lay("stale", nil).root()
			mkdirs(t, stale+"/tree/modeldir", b.worker.WorkDir+"/not.ours")
			b.nearlyFull(15, 100)
			limited := b.worker.statfs
			b.worker.statfs = func(dir string) (disk, error) {
				d, err := limited(dir)
				if tc.free(b, stale) {
					d.free = 20
				}
				return d, err
			}
			if tc.cache {
				b.worker.CacheDir = b.worker.WorkDir
			}
			if tc.kept > 0 {
				now := time.Now()
				b.worker.running.keep(stale, now)
				b.worker.Now = func() time.Time { return now.Add(tc.kept) }
			}
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			a := b.lay("runs", []int{100_000})
			mkdirs(t, a.root()+"/tree")
			b.worker.running.add(a, stop)
			b.worker.relieveDisks(t.Context())
			if gone := missing(b, stale); gone != tc.gone {
				t.Errorf("the folder is gone: %t, want %t", gone, tc.gone)
			}
			if ended := ctx.Err() != nil; ended != tc.ended {
				t.Errorf("the experiment was ended: %t, want %t", ended, tc.ended)
			}
			if missing(b, a.root()) || missing(b, b.worker.WorkDir+"/not.ours") {
				t.Error("more was removed than what is left of attempts")
			}
		})
	}
}

func missing(_ *bundle, path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func mkdirs(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// There may be millions of files, and the disk is looked at every 5 s.
func TestFilesAreNotLookedAtWhileEnoughIsFree(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.nearlyFull(20, 100)
	a := b.lay("k1", []int{1})
	b.worker.running.add(a, func(error) {})
	before := time.Unix(1e9, 0)
	if err := os.Chtimes(a.root(), before, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.worker.relieveDisks(t.Context())
	var st syscall.Stat_t
	if err := syscall.Stat(a.root(), &st); err != nil || st.Atim.Sec != before.Unix() {
		t.Errorf("the folder was read at %v (%v)", time.Unix(st.Atim.Unix()), err)
	}
}

// Else an experiment could be ended for what it does not use.
func TestAFileOfManyNamesIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.lay("k1", []int{1 << 20})
	for i := range 9 {
		if err := os.Link(a.root()+"/0", fmt.Sprintf("%s/link%d", a.root(), i)); err != nil {
			t.Fatal(err)
		}
	}
	b.worker.running.add(a, func(error) {})
	d, err := statfs(b.worker.WorkDir)
	if err != nil {
		t.Fatal(err)
	}
	if uses := b.worker.uses(t.Context(), d.dev); len(uses) != 1 || uses[0].bytes < 1<<20 || uses[0].bytes > 2<<20 || uses[0].files != 2 {
		t.Errorf("measured %+v; want 1 MiB in one file and a folder", uses[0].amount)
	}
}

// There is nowhere to say yet that it failed: without an output, its end would be a refusal.
func TestAnExperimentThatIsEndedForTheDiskBeforeItsOutputIsThereGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reached := make(chan struct{})
	client, err := storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: told{silent{b.http, "output.tar"}, reached}}), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	m := b.submit(submission{key: "k1", script: "pass"})
	b.worker.Stores = artifact.NewStores(client, nil, artifact.URLs{})
	done := make(chan handled, 1)
	go func() {
		d, err := b.worker.Handle(context.WithoutCancel(t.Context()), m)
		done <- handled{d, err}
	}()
	<-reached
	for _, r := range b.worker.running.all() {
		b.worker.running.end(r.a, errDiskFull, &Fault{Outcome: Failed, Err: errDiskFull, Sentence: "too much"})
	}
	got := <-done
	if got.disposition != Return || !errors.Is(got.err, errDiskFull) || errors.As(got.err, new(*Fault)) {
		t.Errorf("Handle = %v, %v; want return because of the disk", got.disposition, got.err)
	}
	if r := b.record("k1"); r.Status() == record.Finished || r.Cloud().Attempts[0].Outcome != record.Infrastructure {
		t.Errorf("record is %v, its attempt %q; want unfinished, infrastructure", r.Status(), r.Cloud().Attempts[0].Outcome)
	}
}

// told says when the first request comes that is not answered.
type told struct {
	silent
	reached chan struct{}
}

func (t told) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, t.what) {
		close(t.reached)
	}
	return t.silent.RoundTrip(req)
}

func TestAnExperimentOfTooManyFilesFailsIfItAskedForDisk(t *testing.T) {
	t.Parallel()
	for _, hdd := range []int64{0, 1 << 30} {
		b := setup(t)
		b.nearlyFull(100, 1)
		limited := b.worker.statfs
		b.worker.statfs = func(dir string) (disk, error) {
			d, err := limited(dir)
			d.files = 10
			return d, err
		}
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		a := b.lay("k1", []int{1, 1})
		a.req.Experiment.Resources.HDD = hdd
		b.worker.running.add(a, stop)
		b.worker.running.opened(a)
		b.worker.relieveDisks(t.Context())
		cause := context.Cause(ctx)
		if failed := errors.As(cause, new(*Fault)); !errors.Is(cause, errDiskFull) || failed != (hdd > 0) {
			t.Errorf("asked for %d, it ended with %v", hdd, cause)
		}
	}
}

func TestAnExperimentThatAskedForNoDiskDoesNotFailForAFullOne(t *testing.T) {
	t.Parallel()
	a := setup(t).lay("k1", nil)
	if err := a.noSpace(syscall.ENOSPC); errors.As(err, new(*Fault)) || !errors.Is(err, errDiskFull) {
		t.Errorf("it asked for nothing: %v", err)
	}
	a.req.Experiment.Resources.HDD = 1
	if err := a.noSpace(syscall.ENOSPC); !errors.As(err, new(*Fault)) {
		t.Errorf("it asked for some: %v", err)
	}
}

func TestADiskThatCannotBeLookedAtIsToldOnceAndOneThatIsNotThereNever(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.DiskReserve = 20
	said := 0
	b.worker.Log = slog.New(onMessage{slog.DiscardHandler, "disk cannot be looked at", func() { said++ }})
	looks := []struct {
		err  error
		want int
	}{{syscall.ENOENT, 0}, {syscall.EIO, 1}, {syscall.EIO, 1}, {nil, 1}, {syscall.EIO, 2}}
	for i, look := range looks {
		b.worker.statfs = func(string) (disk, error) { return disk{memory: true}, look.err }
		b.worker.relieveDisks(t.Context())
		if said != look.want {
			t.Errorf("after look %d it was told %d times, want %d", i, said, look.want)
		}
	}
}

func TestTheWorkFolderIsThereBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.DiskReserve = 20
	ctx, stop := context.WithCancel(t.Context())
	stop()
	b.worker.WatchDisk(ctx)
	if missing(b, b.worker.WorkDir) {
		t.Error("it is not there, and its disk is not watched")
	}
}

// Where it blames nobody, the counting of many files must not take all of the disk's time.
func TestFilesAreCountedATenthOfTheTimeWhereNobodyIsToBlame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.nearlyFull(1, 100)
	now := time.Now()
	b.worker.Now = func() time.Time { now = now.Add(time.Second); return now } // the counting takes 1 s
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	mkdirs(t, b.worker.WorkDir)
	b.worker.relieveDisks(t.Context())
	b.worker.running.add(b.lay("k1", []int{100_000}), stop)
	for _, tc := range []struct {
		pause time.Duration
		ended bool
	}{{time.Second, false}, {9 * time.Second, true}} {
		now = now.Add(tc.pause)
		b.worker.relieveDisks(t.Context())
		if ended := ctx.Err() != nil; ended != tc.ended {
			t.Errorf("after another %s, the experiment is ended: %t, want %t", tc.pause, ended, tc.ended)
		}
	}
}
