package worker

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

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

// shared makes a folder in which everybody may write. Only root gives experiments users of their own.
func (b *bundle) shared() string {
	b.t.Helper()
	if os.Geteuid() != 0 {
		b.t.Skip("needs root: experiments have users of their own only there")
	}
	dir := filepath.Join(filepath.Dir(b.worker.WorkDir), "scratch")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o1777)); err != nil {
		b.t.Fatal(err)
	}
	b.worker.Scratch = []string{dir}
	return dir
}

// An expired delivery waits for no slot: the user of any is another experiment's.
func TestADeliveryThatRunsNothingRemovesNothingOfARunningExperiment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := filepath.Join(b.shared(), "of the first slot's experiment")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Lchown(file, int(b.worker.FirstUID), -1)); err != nil {
		t.Fatal(err)
	}
	m := b.submit(submission{key: "k1", script: "pass", change: map[string]any{"time_added": float64(time.Now().Add(-time.Hour).Unix())}, config: map[string]any{"experimentLifetime": "30m"}})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if _, meta := b.output("k1"); meta[record.MetaOutcome] != string(Expired) {
		t.Errorf("it ended as %q, want expired", meta[record.MetaOutcome])
	}
	if missing(b, file) {
		t.Error("what the running experiment wrote is gone")
	}
}

func TestAnAttemptWithoutResourcesHasNoUser(t *testing.T) {
	t.Parallel()
	a := setup(t).lay("k1", nil)
	a.w.FirstUID = 610_000
	if u := a.user(); u != nil {
		t.Errorf("it has the user %d of a slot that it does not hold", u.UID)
	}
}

func TestWhatCannotBeRemovedIsNoReasonToReturnTheDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := filepath.Join(b.shared(), "no folder")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.worker.Scratch = []string{file}
	if got, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k1", script: "pass"})); got != Acknowledge || err != nil {
		t.Errorf("Handle = %v, %v; want acknowledge", got, err)
	}
}

func TestWhatLiesElsewhereIsRemovedAlsoWhereTheFolderIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	scratch := b.shared()
	b.worker.SaveTimeout = time.Second
	m := b.submit(submission{key: "k1", script: "import sys; open(sys.argv[1] + '/file', 'w')", args: []string{scratch}})
	b.worker.Stores = brokenUploads(t, b.http, "")
	if got, err := b.worker.Handle(t.Context(), m); got != Return || err == nil {
		t.Fatalf("Handle = %v, %v; want the delivery returned", got, err)
	}
	kept, err := filepath.Glob(b.worker.WorkDir + "/k1.*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept are %v, %v; want one folder", kept, err)
	}
	if _, known := b.worker.running.keptSince(kept[0]); !known {
		t.Error("it is not known that the folder is kept")
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v; want nothing", left, err)
	}
}

// On a machine of people's own, that is one of them: `sudo studioctl local` must not remove their files.
func TestFilesOfWhoHasAnAccountAreNotRemoved(t *testing.T) {
	t.Parallel()
	uid := os.Geteuid()
	if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
		t.Skip("who runs the tests has no account:", err)
	}
	file := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Sweep([]string{filepath.Dir(file)}, uint32(uid)); err != nil || missing(nil, file) {
		t.Errorf("Sweep = %v, the file is gone: %t", err, missing(nil, file))
	}
}
