package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
)

// ReadFile returns one file of a small archive and what its store says of the object. Without that file the error is
// [ErrNotExist], as without the object; an object that is no archive, or unpacks to more than limit bytes, is an [*UnpackError].
func ReadFile(ctx context.Context, s Opener, o Object, name string, limit int64) ([]byte, Info, error) {
	body, info, err := s.Open(ctx, o)
	if err != nil {
		return nil, Info{}, err
	}
	defer func() { _ = body.Close() }() // what matters of a download shows up in reading it
	src := &source{r: body}
	data, err := readFile(bufio.NewReader(src), name, limit)
	var fault *UnpackError
	switch {
	case src.err != nil:
		return nil, info, fmt.Errorf("read %s of %s: %w", name, o, src.err)
	case errors.As(err, &fault):
		fault.Object = o
		return nil, info, fault
	case err != nil:
		return nil, info, fmt.Errorf("read %s of %s: %w", name, o, err)
	}
	return data, info, nil
}

func readFile(r *bufio.Reader, name string, limit int64) ([]byte, error) {
	start, _ := r.Peek(sniffed)
	kind := kindOf(start)
	plain, err := decompress(r)
	if err != nil {
		return nil, archiveError(err, kind, false)
	}
	bounded := &io.LimitedReader{R: plain, N: limit}
	data, first, err := findFile(tar.NewReader(bounded), name)
	switch {
	case err != nil && bounded.N == 0:
		return nil, bad(TooLarge, "it is larger than the %d bytes that it may have", limit)
	case errors.Is(err, io.EOF):
		return nil, ErrNotExist
	case err != nil:
		return nil, archiveError(err, kind, first)
	}
	return data, nil
}

// findFile returns the first file of a name; io.EOF if there is none. first tells whether not even one header was read.
func findFile(tr *tar.Reader, name string) (data []byte, first bool, err error) {
	for first = true; ; first = false {
		h, err := tr.Next()
		if err != nil {
			return nil, first, err
		}
		if path.Clean(h.Name) == name && h.Typeflag == tar.TypeReg {
			data, err = io.ReadAll(tr)
			return data, false, err
		}
	}
}
