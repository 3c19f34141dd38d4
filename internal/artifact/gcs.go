package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
)

// chunkSize is what an upload buffers, to send it again after a fault: the client's default, and all that it holds.
const chunkSize = 16 << 20

// gcs is Cloud Storage under the executor's own identity.
type gcs struct {
	client *storage.Client
	stall  time.Duration
}

func (g *gcs) handle(o Object) *storage.ObjectHandle {
	return g.client.Bucket(o.Bucket).Object(o.Key)
}

// Open relies on the client's reader, which after a fault asks again from its offset for the generation that it began
// with, and checks the CRC32C of the whole at its end.
func (g *gcs) Open(ctx context.Context, o Object) (io.ReadCloser, Info, error) {
	ctx, dog := watch(ctx, g.stall)
	r, err := g.handle(o).ReadCompressed(true).NewReader(ctx)
	if err != nil {
		err = g.fault(o, false, cause(ctx, err))
		dog.end(nil)
		return nil, Info{}, err
	}
	dog.disarm()
	info := Info{
		Size: r.Attrs.Size, Generation: r.Attrs.Generation, CRC32C: r.Attrs.CRC32C,
		Metadata: lowerKeys(r.Metadata()), Updated: r.Attrs.LastModified,
	}
	return &guarded{r: r, dog: dog, cause: func(err error) error { return g.fault(o, false, cause(ctx, err)) }}, info, nil
}

func (g *gcs) Attrs(ctx context.Context, o Object) (Info, error) {
	ctx, dog := watch(ctx, g.stall)
	defer dog.end(nil)
	attrs, err := g.handle(o).Attrs(ctx)
	if err != nil {
		return Info{}, g.fault(o, false, cause(ctx, err))
	}
	return infoOf(attrs), nil
}

// Put retries without a precondition too: all tries of one put write the same bytes.
func (g *gcs) Put(ctx context.Context, o Object, p Put, write func(io.Writer) error) (Info, error) {
	ctx, dog := watch(ctx, g.stall)
	defer dog.end(nil)
	h := g.handle(o).Retryer(storage.WithPolicy(storage.RetryAlways))
	if p.IfGeneration != nil {
		h = h.If(conditions(*p.IfGeneration))
	}
	w := h.NewWriter(ctx)
	w.ChunkSize, w.Metadata, w.ContentType = chunkSize, p.Metadata, contentType(o.Key)
	w.ProgressFunc = func(int64) { dog.progress() }
	sent := &tally{w: w, dog: dog}
	if err := write(sent); err != nil {
		if sent.err == nil { // the fault is the writer's: without its context the upload cannot complete
			dog.end(err)
			_ = w.Close()
			return Info{}, err
		}
	}
	dog.reset()
	if err := w.Close(); err != nil {
		return g.settle(ctx, o, p, sent, g.fault(o, true, cause(ctx, err)))
	}
	return infoOf(w.Attrs()), nil
}

// settle tells a precondition that somebody else broke from one that this put broke itself: the first try arrived, its
// answer did not, and the retry met its own object.
func (g *gcs) settle(ctx context.Context, o Object, p Put, sent *tally, fault error) (Info, error) {
	if !errors.Is(fault, ErrPrecondition) {
		return Info{}, fault
	}
	now, err := g.Attrs(ctx, o)
	if err == nil && now.Size == sent.n && now.CRC32C == sent.crc && maps.Equal(now.Metadata, lowerKeys(p.Metadata)) {
		return now, nil
	}
	return Info{}, fault
}

// fault gives the client's errors this package's meaning.
func (g *gcs) fault(o Object, write bool, err error) error {
	act := "read"
	if write {
		act = "write"
	}
	var api *googleapi.Error
	errors.As(err, &api)
	switch {
	case errors.Is(err, storage.ErrObjectNotExist), errors.Is(err, storage.ErrBucketNotExist), api != nil && api.Code == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", act, o, ErrNotExist)
	case api != nil && api.Code == http.StatusPreconditionFailed:
		return fmt.Errorf("%s %s: %w", act, o, ErrPrecondition)
	case api != nil && (api.Code == http.StatusForbidden || api.Code == http.StatusUnauthorized):
		return &DeniedError{Object: o, Own: true, Write: write, Err: err}
	}
	return fmt.Errorf("%s %s: %w", act, o, err)
}

func conditions(generation int64) storage.Conditions {
	if generation == 0 {
		return storage.Conditions{DoesNotExist: true}
	}
	return storage.Conditions{GenerationMatch: generation}
}

func infoOf(a *storage.ObjectAttrs) Info {
	return Info{Size: a.Size, Generation: a.Generation, CRC32C: a.CRC32C, Metadata: lowerKeys(a.Metadata), Updated: a.Updated}
}

func lowerKeys(m map[string]string) map[string]string {
	low := make(map[string]string, len(m))
	for k, v := range m {
		low[strings.ToLower(k)] = v
	}
	return low
}

// contentType spares the store a guess from the first bytes.
func contentType(key string) string {
	if strings.HasSuffix(key, ".tar") {
		return "application/x-tar"
	}
	return "application/octet-stream"
}
