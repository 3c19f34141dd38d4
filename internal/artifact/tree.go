package artifact

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	folderMode = 0o750
	ownerRead  = 0o600 // what the owner may always do with a file
	ownerEnter = 0o700 // and with a folder
)

// tree writes below one folder. Folders on the way to a member are real ones, never links.
type tree struct {
	root     *os.Root
	limits   Limits
	uid, gid int
	buf      []byte

	here     *os.Root // the folder used last: archives list a folder's files in a row
	hereName string
	folders  []member // whose times are set at the end, when nothing is put into them any more
	files    int
	bytes    int64
}

// in returns the folder of a clean name, making it where it is missing. It is valid until the next call.
func (t *tree) in(name string) (*os.Root, error) {
	if name == "." {
		return t.root, nil
	}
	if t.here != nil && t.hereName == name {
		return t.here, nil
	}
	if err := t.leave(); err != nil {
		return nil, err
	}
	at := t.root
	for part := range strings.SplitSeq(name, "/") {
		next, err := t.enter(at, part, name)
		if at != t.root {
			err = errors.Join(err, at.Close())
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	t.here, t.hereName = at, name
	return at, nil
}

// enter opens a folder right below another.
func (t *tree) enter(at *os.Root, part, name string) (*os.Root, error) {
	next, err := openFolder(at, part)
	if errors.Is(err, os.ErrNotExist) {
		if err := t.folder(at, part, member{name: name, mode: folderMode}); err != nil {
			return nil, err
		}
		if err := t.count(1); err != nil {
			return nil, err
		}
		next, err = openFolder(at, part)
	}
	if errors.Is(err, errNoFolder) {
		return nil, bad(UnsafePath, "%s lies below %s, which is a file or a link in the same archive", quoted(name), quoted(part))
	}
	if err != nil {
		return nil, diskError(name, err)
	}
	return next, nil
}

// folder makes a folder; one that is there is kept with what it holds.
func (t *tree) folder(parent *os.Root, base string, m member) error {
	err := t.replace(parent, base, true, func() error { return parent.Mkdir(base, folderMode) })
	if err == nil {
		err = parent.Chmod(base, m.mode|ownerEnter)
	}
	if err == nil {
		err = t.own(parent, base)
	}
	if err != nil {
		return diskError(m.name, err)
	}
	if !m.modified.IsZero() {
		t.folders = append(t.folders, member{name: m.name, modified: m.modified})
	}
	return nil
}

// count admits more members.
func (t *tree) count(n int) error {
	if t.files += n; t.limits.MaxFiles > 0 && t.files > t.limits.MaxFiles {
		return bad(TooMany, "it holds more than the %d files that an artifact may have: pack many small files into one", t.limits.MaxFiles)
	}
	return nil
}

// replace makes a member in the place of what an earlier one of its name left: in a tar the last counts. It removes first,
// so that nothing is ever written through a link.
func (t *tree) replace(parent *os.Root, base string, folder bool, create func() error) error {
	err := create()
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	old, err := parent.Lstat(base)
	switch {
	case err != nil:
		return err
	case old.IsDir() && folder:
		return nil
	case old.IsDir():
		return bad(UnsafePath, "%s is a folder, and not, in the same archive", quoted(base))
	}
	if err := parent.Remove(base); err != nil {
		return err
	}
	return create()
}

func (t *tree) own(parent *os.Root, base string) error {
	if t.uid < 0 && t.gid < 0 {
		return nil
	}
	return parent.Lchown(base, t.uid, t.gid)
}

// finish sets the times of folders, the deepest first.
func (t *tree) finish() error {
	for _, m := range slices.Backward(t.folders) {
		if err := t.root.Chtimes(m.name, time.Time{}, m.modified); err != nil {
			return diskError(m.name, err)
		}
	}
	return nil
}

func (t *tree) leave() error {
	if t.here == nil {
		return nil
	}
	here := t.here
	t.here, t.hereName = nil, ""
	return here.Close()
}

func (t *tree) close() error { return errors.Join(t.leave(), t.root.Close()) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
