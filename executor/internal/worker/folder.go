package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// folder is an attempt's place on disk:
//
//	<work>/<key>.<attempt>/      the executor's; the experiment's group may pass through, other experiments may not
//	  tree/<label>/              STUDIOML_HOME: a folder per artifact, side by side
//	  home/ tmp/                 HOME and TMPDIR
//
// The experiment owns its folders except output and _metadata: the executor writes those, and must not be led astray by
// links that the experiment laid there.
type folder struct {
	root string
	user *process.User
}

func attemptRoot(work, key, attempt string) string { return filepath.Join(work, key+"."+attempt) }

func makeFolder(work, key, attempt string, user *process.User) (*folder, error) {
	f := &folder{root: attemptRoot(work, key, attempt), user: user}
	if err := os.MkdirAll(work, 0o711); err != nil { //nolint:gosec // other users must pass through, not look around
		return nil, fmt.Errorf("make the work folder: %w", err)
	}
	if err := os.RemoveAll(f.root); err != nil {
		return nil, fmt.Errorf("clear the experiment's folder: %w", err)
	}
	err := f.mkdir(f.root, 0o750, -1, f.gid())
	if err == nil {
		err = f.mkdir(f.tree(), 0o755, -1, f.gid())
	}
	for _, own := range []string{f.home(), f.tmp()} {
		if err == nil {
			err = f.mkdir(own, 0o700, f.uid(), f.gid())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the experiment's folder: %w", err), f.remove())
	}
	return f, nil
}

// label makes the folder of an artifact.
func (f *folder) label(label string, owned bool) (string, error) {
	dir := filepath.Join(f.tree(), label)
	uid, gid := -1, f.gid()
	if owned {
		uid = f.uid()
	}
	if err := f.mkdir(dir, 0o755, uid, gid); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", label, err)
	}
	return dir, nil
}

// mkdir makes one folder of a given owner; -1 leaves the executor as the owner.
func (f *folder) mkdir(dir string, mode os.FileMode, uid, gid int) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil { // whatever the umask is
		return err
	}
	return os.Lchown(dir, uid, gid)
}

func (f *folder) tree() string { return filepath.Join(f.root, "tree") }
func (f *folder) home() string { return filepath.Join(f.root, "home") }
func (f *folder) tmp() string  { return filepath.Join(f.root, "tmp") }

func (f *folder) uid() int {
	if f.user == nil {
		return -1
	}
	return int(f.user.UID)
}

func (f *folder) gid() int {
	if f.user == nil {
		return -1
	}
	return int(f.user.GID)
}

func (f *folder) remove() error {
	if err := os.RemoveAll(f.root); err != nil {
		return fmt.Errorf("remove the experiment's folder: %w", err)
	}
	return nil
}
