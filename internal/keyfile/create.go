package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The modes of what is made, whatever the umask.
const (
	Secret fs.FileMode = 0o600
	Shared fs.FileMode = 0o644
)

// File is one that is to be made.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
}

// ErrExists says that a file is there, and that nothing was made.
var ErrExists = errors.New("is there already and is never overwritten")

// Create makes all the files or none of them. Each is complete before it has its name, so that whoever reads it never sees a
// part, and a name that is taken, even at the last moment, stays as it is.
func Create(files ...File) (err error) {
	for _, f := range files {
		if _, err := os.Lstat(f.Path); err == nil {
			return fmt.Errorf("%s %w", f.Path, ErrExists)
		}
	}
	var drafts, made []string
	defer func() {
		for _, draft := range drafts {
			err = errors.Join(err, os.Remove(draft))
		}
	}()
	for _, f := range files {
		name, draftErr := draft(f)
		if name != "" {
			drafts = append(drafts, name)
		}
		if draftErr != nil {
			return fmt.Errorf("write %s: %w", f.Path, draftErr)
		}
	}
	for i, f := range files {
		err := os.Link(drafts[i], f.Path) // fails where the name is taken, which a rename would replace
		if err == nil {
			made = append(made, f.Path)
			continue
		}
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s %w", f.Path, ErrExists)
		}
		return errors.Join(err, removeAll(made))
	}
	return nil
}

// draft writes the file under another name beside it. The name is "" if there is nothing to remove.
func draft(f File) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(f.Path), ".studioctl-*") // with mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(f.Data)
	return file.Name(), errors.Join(err, file.Chmod(f.Mode), file.Sync(), file.Close())
}

// removeAll takes back what was made, the last first.
func removeAll(paths []string) (err error) {
	for _, path := range slices.Backward(paths) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
