package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// PackError says that a folder cannot become an archive as it is. It is permanent for as long as the program leaves the
// folder so.
type PackError struct {
	Name     string // in the folder
	Sentence string
}

func (e *PackError) Error() string { return fmt.Sprintf("pack %s: %s", quoted(e.Name), e.Sentence) }

// mostLeftOut bounds [Info.LeftOut]; a program can make any number of pipes.
const mostLeftOut = 20

type packer struct {
	tw    *tar.Writer
	dir   string // clean and absolute, to know links to itself
	owner uint32
	max   int64
	bytes int64
	links map[inode]string // where a file with several names was packed first
	out   []string
	buf   []byte
}

type inode struct{ dev, ino uint64 }

// pack writes the tar of what dir holds, in the order of names, without an entry for dir itself. Files may change meanwhile:
// each is packed with the size it had when it was opened, filled up with zeros if it shrank. It returns what was left out:
// sockets, pipes and devices, and links that lead out of dir, which would be refused when the archive is fetched.
func pack(ctx context.Context, w io.Writer, dir string, maxBytes int64) ([]string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	top, err := os.Lstat(abs)
	if err != nil {
		return nil, err
	}
	bw := bufio.NewWriterSize(w, 256<<10)
	p := &packer{
		tw: tar.NewWriter(bw), dir: abs, owner: ownerOf(top), max: maxBytes,
		links: map[inode]string{}, buf: make([]byte, readBuffer),
	}
	if err := walk(ctx, abs, func(e entry) error { return p.add(ctx, e) }); err != nil {
		return p.out, err
	}
	if err := p.tw.Close(); err != nil {
		return p.out, err
	}
	return p.out, bw.Flush()
}

func (p *packer) add(ctx context.Context, e entry) error {
	switch e.info.Mode().Type() {
	case fs.ModeDir:
		return p.tw.WriteHeader(header(e, tar.TypeDir, e.name+"/"))
	case 0:
		return p.file(ctx, e)
	case fs.ModeSymlink:
		return p.symlink(e)
	}
	p.leaveOut(e, "is neither file, folder nor link")
	return nil
}

// file packs a file, if it still is one. Opening waits for no pipe that took its place, and a link that did is followed
// inside its folder at most.
func (p *packer) file(ctx context.Context, e entry) error {
	f, err := e.parent.OpenFile(e.base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return p.gone(e, err)
	}
	err = p.copy(ctx, e, f)
	return errors.Join(err, f.Close())
}

// gone tells a file that was replaced or removed from one that cannot be read.
func (p *packer) gone(e entry, err error) error {
	now, lerr := e.parent.Lstat(e.base)
	switch {
	case errors.Is(lerr, fs.ErrNotExist):
		return nil
	case lerr == nil && !now.Mode().IsRegular():
		p.leaveOut(e, "was replaced while it was packed")
		return nil
	}
	return fmt.Errorf("read %s: %w", quoted(e.name), err)
}

func (p *packer) copy(ctx context.Context, e entry, f *os.File) (err error) {
	if e.info, err = f.Stat(); err != nil {
		return fmt.Errorf("read %s: %w", quoted(e.name), err)
	}
	if !e.info.Mode().IsRegular() {
		p.leaveOut(e, "was replaced while it was packed")
		return nil
	}
	id, shared := sharedInode(e.info)
	if first, ok := p.links[id]; shared && ok {
		h := header(e, tar.TypeLink, e.name)
		h.Linkname = first
		return p.tw.WriteHeader(h)
	}
	// With the system's protection of hard links off, a program can give a file that only this process may read a name of
	// its own.
	if shared && p.owner != 0 && ownerOf(e.info) != p.owner {
		p.leaveOut(e, "is a hard link to somebody else's file")
		return nil
	}
	h := header(e, tar.TypeReg, e.name)
	h.Size = e.info.Size()
	if p.max > 0 && h.Size > p.max-p.bytes {
		return &PackError{Name: e.name, Sentence: fmt.Sprintf("the artifact is larger than the %d bytes that it may have", p.max)}
	}
	p.bytes += h.Size
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	if err := p.content(ctx, e, f, h.Size); err != nil {
		return err
	}
	if shared {
		p.links[id] = e.name
	}
	return nil
}

func (p *packer) content(ctx context.Context, e entry, f io.Reader, size int64) error {
	var fault error
	live := readerFunc(func(b []byte) (n int, err error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if n, err = f.Read(b); err != nil && !errors.Is(err, io.EOF) {
			fault = fmt.Errorf("read %s: %w", quoted(e.name), err)
		}
		return n, err
	})
	n, err := io.CopyBuffer(writerFunc(p.tw.Write), io.LimitReader(live, size), p.buf)
	if fault != nil {
		return fault
	}
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(writerFunc(p.tw.Write), io.LimitReader(zeros{}, size-n), p.buf)
	return err
}

// zeros fill up a file that shrank while it was packed.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (p *packer) symlink(e entry) error {
	target, err := e.parent.Readlink(e.base)
	if err != nil {
		return p.gone(e, err)
	}
	if rest, ok := strings.CutPrefix(filepath.Clean(target), p.dir+"/"); ok {
		if target, err = filepath.Rel(filepath.Dir(e.name), rest); err != nil {
			return err
		}
	}
	clean, ok := inside(e.name, target)
	if !ok {
		p.leaveOut(e, "is a link out of the folder")
		return nil
	}
	h := header(e, tar.TypeSymlink, e.name)
	h.Linkname = clean
	return p.tw.WriteHeader(h)
}

func (p *packer) leaveOut(e entry, why string) {
	if len(p.out) < mostLeftOut {
		p.out = append(p.out, quoted(e.name)+" "+why)
	}
}

// header is without owners, which mean nothing on another machine, and with whole seconds, as tar itself writes them.
func header(e entry, kind byte, name string) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: int64(e.info.Mode().Perm()), ModTime: e.info.ModTime().Truncate(time.Second)}
}

// sharedInode identifies a file that has several names.
func sharedInode(info fs.FileInfo) (id inode, shared bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Nlink < 2 {
		return inode{}, false
	}
	return inode{dev: stat.Dev, ino: stat.Ino}, true
}

func ownerOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}
