package outputtar

import (
	"context"
	"io"

	"cloud.google.com/go/storage"
)

// Source is something that can be read in ranges.
type Source interface {
	// ReadRange returns the n bytes at offset off, or fewer where the source ends.
	ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error)
}

// GCS reads one generation of an object, so that all ranges belong together. A generation that was overwritten is
// [storage.ErrObjectNotExist].
func GCS(obj *storage.ObjectHandle, generation int64) Source {
	return object{obj.Generation(generation).ReadCompressed(true)}
}

type object struct{ handle *storage.ObjectHandle }

func (o object) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return o.handle.NewRangeReader(ctx, off, n)
}

// At reads what can be read at any place, as a file.
func At(r io.ReaderAt) Source { return readerAt{r} }

type readerAt struct{ r io.ReaderAt }

func (s readerAt) ReadRange(_ context.Context, off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.r, off, n)), nil
}
