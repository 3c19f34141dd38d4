package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	// deepest is how many folders may lie in one another. Each costs a descriptor in packing.
	deepest = 200
	// longestName is PATH_MAX, beyond which programs cannot name a file.
	longestName = 4096
)

// member is what is kept of a tar header.
type member struct {
	name     string // clean, relative, never leading out
	link     string
	mode     fs.FileMode // permissions alone
	size     int64       // -1: until the end
	modified time.Time
}

func unpack(ctx context.Context, r *bufio.Reader, t *tree) error {
	start, _ := r.Peek(sniffed)
	kind := kindOf(start)
	plain, err := decompress(r)
	if err != nil {
		return archiveError(err, kind, false)
	}
	tr := tar.NewReader(plain)
	for first := true; ; first = false {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return t.finish()
		}
		if err != nil {
			return archiveError(err, kind, first)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.add(ctx, h, decoded{tr}); err != nil {
			return err
		}
	}
}

// add makes one member.
func (t *tree) add(ctx context.Context, h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return t.count(1)
	}
	m, err := memberOf(h)
	if err != nil {
		return err
	}
	if m.name == "." {
		if h.Typeflag == tar.TypeDir {
			return t.count(1)
		}
		return bad(UnsafePath, "a member that is no folder is named %s", quoted(h.Name))
	}
	parent, err := t.in(path.Dir(m.name))
	if err != nil {
		return err
	}
	if err := t.count(1); err != nil {
		return err
	}
	base := path.Base(m.name)
	switch h.Typeflag {
	case tar.TypeDir:
		return t.folder(parent, base, m)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return t.file(ctx, parent, base, m, body)
	case tar.TypeSymlink:
		return t.symlink(parent, base, m)
	case tar.TypeLink:
		return t.hardlink(parent, base, m)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return bad(Unsupported, "%s is a device or a pipe: leave it out of the archive", quoted(m.name))
	}
	return bad(Unsupported, "%s is of the kind %s, which is none of file, folder and link: leave it out of the archive",
		quoted(m.name), quoted(string(h.Typeflag)))
}

// memberOf checks a name before anything becomes a path.
func memberOf(h *tar.Header) (member, error) {
	name := path.Clean(h.Name)
	switch {
	case len(h.Name) > longestName || strings.Count(name, "/") >= deepest:
		return member{}, bad(UnsafePath, "the name %s is longer or deeper than can be unpacked", quoted(h.Name))
	case h.Name == "" || strings.ContainsRune(h.Name, 0) || !filepath.IsLocal(name):
		return member{}, bad(UnsafePath, "the name %s leads out of the artifact's folder: pack with relative paths (tar -C folder .)", quoted(h.Name))
	}
	return member{name: name, link: h.Linkname, mode: h.FileInfo().Mode().Perm(), size: h.Size, modified: h.ModTime}, nil
}

// inside resolves the target of a symbolic link that lies at name, as text. Since no part of name's path is itself a link
// (see [tree.in]) and the result has ".." at its beginning alone, following it cannot lead out either.
func inside(name, target string) (clean string, ok bool) {
	if target == "" || path.IsAbs(target) {
		return "", false
	}
	clean = path.Clean(target)
	return clean, filepath.IsLocal(path.Join(path.Dir(name), clean))
}

// decoded marks faults of reading a member, to tell them from faults of writing it.
type decoded struct{ r io.Reader }

func (d decoded) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = archiveError(err, "", false)
	}
	return n, err
}

// archiveError blames the object for what its bytes cannot mean. [Fetch] puts faults of the download before it.
func archiveError(err error, kind string, first bool) error {
	var fault *UnpackError
	tooShort := errors.Is(err, io.ErrUnexpectedEOF) && kind != compressed
	switch {
	case errors.As(err, &fault):
		return err
	case first && (errors.Is(err, tar.ErrHeader) || tooShort):
		fault = bad(NotATar, "it is %s, not a tar archive: pack the folder as .tar, .tar.gz or .tar.bz2, or set unpack to false "+
			"to have it as a file", kind)
	default:
		fault = bad(Damaged, "the archive is damaged or cut short: upload it again")
	}
	fault.Err = err
	return fault
}
