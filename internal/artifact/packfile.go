package artifact

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

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
