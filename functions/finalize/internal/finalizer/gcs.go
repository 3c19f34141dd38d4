package finalizer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cloud.google.com/go/storage"

	"github.com/leaf-ai/studio-cloud-runner/internal/outputtar"
)

// GCS is Cloud Storage.
type GCS struct{ Client *storage.Client }

// Stat implements [Objects].
func (g GCS) Stat(ctx context.Context, bucket, name string) (Object, error) {
	a, err := g.Client.Bucket(bucket).Object(name).Attrs(ctx)
	if err != nil {
		return Object{}, explain("look at", name, err)
	}
	return Object{
		Bucket: bucket, Name: name, Generation: a.Generation, Size: a.Size, CRC32C: a.CRC32C, Updated: a.Updated, Metadata: a.Metadata,
	}, nil
}

// Open implements [Objects].
func (g GCS) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	r, err := g.object(o).Generation(o.Generation).NewReader(ctx)
	if err != nil {
		return nil, explain("open", o.Name, err)
	}
	return r, nil
}

// Tail implements [Objects].
func (g GCS) Tail(ctx context.Context, o Object, n int64) (tail []byte, whole bool, err error) {
	out, err := outputtar.Open(ctx, outputtar.GCS(g.object(o), o.Generation), o.Size)
	if err != nil {
		return nil, false, explain("search", o.Name, err)
	}
	if tail, err = out.Tail(ctx, n); err != nil {
		return nil, false, explain("read", o.Name, err)
	}
	return tail, out.Size <= n, nil
}

func (g GCS) object(o Object) *storage.ObjectHandle { return g.Client.Bucket(o.Bucket).Object(o.Name) }

func explain(act, name string, err error) error {
	if errors.Is(err, storage.ErrObjectNotExist) {
		err = errors.Join(ErrNotExist, err)
	}
	return fmt.Errorf("%s %s: %w", act, name, err)
}
