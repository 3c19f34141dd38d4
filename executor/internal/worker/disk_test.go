package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	b.worker.relieveDisks()
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
	b.worker.relieveDisks()
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
		ended        []string
		want         []string
	}{
		"enough is free":                          {bytes: 20, files: 100},
		"too little is free":                      {bytes: 19, files: 100, want: []string{"b"}},
		"too few files are left":                  {bytes: 90, files: 19, want: []string{"c"}},
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
				b.worker.running.add(b.lay(key, files), stop)
			}
			for _, r := range b.worker.running.all() {
				if slices.Contains(tc.ended, r.a.ref.Key) {
					b.worker.running.end(r.a, context.Canceled)
				}
			}
			b.worker.relieveDisks()
			var got []string
			for _, key := range []string{"a", "b", "c"} {
				if cause := context.Cause(contexts[key]); errors.Is(cause, errDiskFull) {
					got = append(got, key)
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

// The next experiment of the same user may be another tenant's, and what is left in /dev/shm is memory.
func TestWhatAnExperimentLeavesWhereEverybodyMayWriteIsRemoved(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: experiments have users of their own only there")
	}
	b := setup(t)
	scratch := filepath.Join(filepath.Dir(b.worker.WorkDir), "scratch")
	if err := errors.Join(os.Mkdir(scratch, 0o755), os.Chmod(scratch, 0o1777), os.WriteFile(filepath.Join(scratch, "ours"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	b.worker.Scratch = []string{scratch, "/nonexistent"}
	script := "import os, sys; os.makedirs(sys.argv[1] + '/mine/deep'); os.symlink('/', sys.argv[1] + '/mine/root'); open(sys.argv[1] + '/file', 'w').write('x')"
	if got, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k1", script: script, args: []string{scratch}})); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if output, meta := b.output("k1"); meta[record.MetaOutcome] != string(Completed) {
		t.Fatalf("it did not run: %s", output)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 1 || left[0].Name() != "ours" {
		t.Errorf("left are %v, %v; want what is ours", left, err)
	}
}
