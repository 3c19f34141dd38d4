package outputtar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"
)

// Name is the file in output.tar that holds what the program wrote to its standard output and error.
const Name = "output"

const (
	// blockSize is read at a time in search of headers: one header with the longest names that occur.
	blockSize = 4 << 10
	// mostMembers bounds the search, each member costing a request.
	mostMembers = 64
)

var (
	// ErrNoOutput says that the archive holds no file of the name, or not among its first 64 members.
	ErrNoOutput = errors.New("archive holds no output")
	// ErrNotTar says that there is no archive, or a damaged or compressed one.
	ErrNotTar = errors.New("not a tar archive")
)

// Output is the file in the archive.
type Output struct {
	Size     int64 // bytes
	Modified time.Time

	src    Source
	offset int64
}

// Open finds the output in an archive of size bytes.
func Open(ctx context.Context, src Source, size int64) (*Output, error) {
	r := &blocks{size: size, read: func(p []byte, off int64) (int, error) { return readAt(ctx, src, p, off) }}
	tr := tar.NewReader(r)
	for range mostMembers {
		h, err := tr.Next()
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("read output.tar: %w", r.err)
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read output.tar: %w", ErrNoOutput)
		case err != nil:
			return nil, fmt.Errorf("read output.tar: %w: %w", ErrNotTar, err)
		}
		if h.Typeflag != tar.TypeReg || path.Clean(h.Name) != Name {
			continue
		}
		if h.Size > size-r.off {
			return nil, fmt.Errorf("read output.tar: %w: it is cut short", ErrNotTar)
		}
		return &Output{Size: h.Size, Modified: h.ModTime, src: src, offset: r.off}, nil
	}
	return nil, fmt.Errorf("read output.tar: %w", ErrNoOutput)
}

// Range streams n bytes of the output from offset off, or fewer where it ends.
func (o *Output) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	off = min(max(off, 0), o.Size)
	n = min(max(n, 0), o.Size-off)
	if n == 0 {
		return io.NopCloser(eof{}), nil
	}
	r, err := o.src.ReadRange(ctx, o.offset+off, n)
	if err != nil {
		return nil, fmt.Errorf("read output: %w", err)
	}
	return r, nil
}

// Tail returns the last n bytes of the output, or all of them where there are fewer.
func (o *Output) Tail(ctx context.Context, n int64) (tail []byte, err error) {
	n = min(max(n, 0), o.Size)
	tail = make([]byte, n)
	got, err := readAt(ctx, o.src, tail, o.offset+o.Size-n)
	if err == nil && int64(got) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read output: %w", err)
	}
	return tail, nil
}

// Tail finds the output in an archive of size bytes and returns its last n bytes.
func Tail(ctx context.Context, src Source, size, n int64) ([]byte, error) {
	out, err := Open(ctx, src, size)
	if err != nil {
		return nil, err
	}
	return out.Tail(ctx, n)
}

// readAt fills p from offset off; less than that is the end, and no error.
func readAt(ctx context.Context, src Source, p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	r, err := src.ReadRange(ctx, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	n, err = io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
