package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
)

// entry is what lies in a folder that somebody may be changing meanwhile.
type entry struct {
	name   string // slash-separated, relative to the folder walked
	parent *os.Root
	base   string // the entry's name in parent
	info   fs.FileInfo
}

// mostFiles bounds the names that are held at a time, and so the memory: some 100 MB at the worst.
const mostFiles = 1_000_000

// walk visits everything below dir in the order of names, a folder before what it holds. It follows no link, and passes
// over what vanishes on the way.
func walk(ctx context.Context, dir string, visit func(entry) error) (err error) {
	root, err := openRoot(dir)
	if err != nil {
		return err
	}
	w := walker{visit: visit}
	return errors.Join(w.folder(ctx, root, ".", 0), root.Close())
}

type walker struct {
	visit func(entry) error
	files int
}

func (w *walker) folder(ctx context.Context, root *os.Root, name string, depth int) error {
	if depth > deepest {
		return &PackError{Name: name, Sentence: fmt.Sprintf("more than %d folders lie in one another", deepest)}
	}
	names, err := w.list(root, name)
	if err != nil {
		return err
	}
	for _, base := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		info, err := root.Lstat(base)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		e := entry{name: path.Join(name, base), parent: root, base: base, info: info}
		if err := w.visit(e); err != nil {
			return err
		}
		if info.IsDir() {
			if err := w.below(ctx, e, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// below walks a folder, if it still is one.
func (w *walker) below(ctx context.Context, e entry, depth int) error {
	root, err := openFolder(e.parent, e.base)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoFolder) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", quoted(e.name), err)
	}
	return errors.Join(w.folder(ctx, root, e.name, depth+1), root.Close())
}

func (w *walker) list(root *os.Root, name string) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", quoted(name), err)
	}
	names, err := d.Readdirnames(mostFiles - w.files + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("list %s: %w", quoted(name), err)
	}
	if w.files += len(names); w.files > mostFiles {
		return nil, &PackError{Name: name, Sentence: fmt.Sprintf("the artifact holds more than %d files: pack them into fewer", mostFiles)}
	}
	slices.Sort(names)
	return names, nil
}
