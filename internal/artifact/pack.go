package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	switch mode := e.info.Mode(); {
	case mode.IsDir():
		return p.tw.WriteHeader(header(e, tar.TypeDir, e.name+"/"))
	case mode.IsRegular():
		return p.file(ctx, e)
	case mode.Type() == fs.ModeSymlink:
		return p.symlink(e)
	}
	p.leaveOut(e, "is neither file, folder nor link")
	return nil
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
