package artifact

import (
	"os"
	"path"
	"path/filepath"
)

func (t *tree) symlink(parent *os.Root, base string, m member) error {
	target, ok := inside(m.name, m.link)
	if !ok {
		return bad(UnsafeLink, "the link %s leads to %s, out of the artifact's folder: put what it leads to into the "+
			"folder, or leave the link out", quoted(m.name), quoted(m.link))
	}
	err := t.replace(parent, base, false, func() error { return parent.Symlink(target, base) })
	if err == nil {
		err = t.own(parent, base)
	}
	if err != nil {
		return diskError(m.name, err)
	}
	return nil
}

// hardlink links to a file that the archive held before. The two are one file, with one owner, mode and time.
func (t *tree) hardlink(parent *os.Root, base string, m member) error {
	target := path.Clean(m.link)
	if !filepath.IsLocal(target) || len(m.link) > longestName {
		return bad(UnsafeLink, "the hard link %s leads to %s, out of the artifact's folder", quoted(m.name), quoted(m.link))
	}
	if !t.holds(target) {
		return bad(UnsafeLink, "the hard link %s leads to %s, which is no file before it in the archive", quoted(m.name), quoted(m.link))
	}
	if target == m.name {
		return nil
	}
	err := t.replace(parent, base, false, func() error { return t.root.Link(target, m.name) })
	if err != nil {
		return diskError(m.name, err)
	}
	return nil
}

// holds reports whether a file lies at name, reached through folders alone.
func (t *tree) holds(name string) bool {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if info, err := t.root.Lstat(name[:i]); err != nil || !info.IsDir() {
			return false
		}
	}
	info, err := t.root.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}
