package artifact

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Pack writes the tar of what dir holds, as [Upload] does, for whoever must know the archive before it is stored.
func Pack(ctx context.Context, w io.Writer, dir string) (leftOut []string, err error) {
	leftOut, err = pack(ctx, w, dir, 0)
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	return leftOut, nil
}

// Unpack unpacks an archive into the folder dir, as [Fetch] does and as safely.
func Unpack(ctx context.Context, r io.Reader, dir string, limits Limits) (err error) {
	t, err := plant(dir, limits)
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := unpack(ctx, bufio.NewReaderSize(r, readBuffer), t); err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, err)
	}
	return nil
}
