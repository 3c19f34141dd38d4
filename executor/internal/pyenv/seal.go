package pyenv

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// seal makes a finished folder the executor's: everyone may read it, nobody else may change it. Without a User there is
// nobody to guard against.
//
// A folder is taken before its entries are looked at. From then on its builder cannot exchange them, so that no path
// leads elsewhere. Only what the builder owns is touched: a hard link to another user's file, where the kernel lets one
// be made, stays as it is.
func (m *Manager) seal(dir string) error {
	if m.cfg.User == nil {
		return nil
	}
	if err := take(dir, 0o755); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("seal environment: %w", err)
		}
		info, err := os.Lstat(path) // the entry's own information may be older than our hold of its folder
		if err != nil {
			return fmt.Errorf("seal environment: %w", err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != m.cfg.User.UID {
			return nil
		}
		switch mode := info.Mode(); {
		case mode.IsDir():
			return take(path, 0o755)
		case mode.IsRegular():
			return take(path, readable(mode))
		default: // of a link the owner alone, which does not matter; of a pipe or a socket, everything
			return os.Lchown(path, os.Geteuid(), os.Getegid()) //nolint:gosec // every folder above is ours by now
		}
	})
}

// take changes the owner first: that clears set-user-ID, and afterwards nobody else can change the mode.
func take(path string, mode fs.FileMode) error {
	if err := os.Lchown(path, os.Geteuid(), os.Getegid()); err != nil {
		return fmt.Errorf("seal environment (needs the capability CHOWN): %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("seal environment (needs the capability FOWNER): %w", err)
	}
	return nil
}

// readable lets everyone read, and execute what its owner could.
func readable(mode fs.FileMode) fs.FileMode {
	if mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}
