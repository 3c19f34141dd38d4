package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Sweep removes what a user of experiments alone has left in folders that everybody may write to, such as /tmp and /dev/shm: the
// next experiment of that user would find it, and what lies in /dev/shm is memory. The user must have no process left.
//
// It leaves alone whoever has an account on the machine: on a machine of people's own, that is a person and not an experiment.
//
// A folder's sticky bit keeps other experiments from exchanging what is the user's, and [os.RemoveAll] follows no link.
func Sweep(dirs []string, uid uint32) error {
	if account, err := hasAccount(uid); err != nil || account {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep %s: %w", dir, err))
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && ownedBy(info, uid) {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

func hasAccount(uid uint32) (bool, error) {
	_, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	var unknown user.UnknownUserIdError
	if errors.As(err, &unknown) || errors.Is(err, fs.ErrNotExist) { // the latter where the machine has no accounts at all
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the account of user %d: %w", uid, err)
	}
	return true, nil
}

func ownedBy(info fs.FileInfo, uid uint32) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == uid
}
