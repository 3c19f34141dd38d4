package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
)

// Store reads and writes records. It is safe for concurrent use.
type Store struct {
	client *storage.Client
	now    func() time.Time
}

// New returns a Store over client, which it does not close. The clock now times attempts and leases.
func New(client *storage.Client, now func() time.Time) *Store {
	return &Store{client: client, now: now}
}

// maxSize bounds what is read of an object; a request, and so what a client writes of it, is at most 10 MB.
const maxSize = 32 << 20

// errPrecondition says that the object has changed since it was read.
var errPrecondition = errors.New("changed since it was read")

// Read returns the record, or an error that is [ErrNotExist] or [ErrMalformed] where that is the reason.
func (s *Store) Read(ctx context.Context, ref Ref) (*Record, error) {
	r, err := s.load(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read record %s: %w", ref.Key, err)
	}
	return r, nil
}

func (s *Store) load(ctx context.Context, ref Ref) (*Record, error) {
	data, generation, err := s.get(ctx, ref.Bucket, ref.Object())
	if err != nil {
		return nil, err
	}
	return parse(ref, generation, data)
}

// update loads the record (nil if there is none), lets change decide, and stores what it returns unless that is nil. It
// starts again whenever the record was changed meanwhile: change may be called many times and must judge afresh.
func (s *Store) update(ctx context.Context, ref Ref, change func(*Record) (*Record, error)) error {
	for pause := backoff(); ; {
		r, err := s.load(ctx, ref)
		if err != nil && !errors.Is(err, ErrNotExist) {
			return err
		}
		next, err := change(r)
		if err != nil || next == nil {
			return err
		}
		data, err := next.encode()
		if err != nil {
			return err
		}
		next.Generation, err = s.put(ctx, ref.Bucket, ref.Object(), next.Generation, data)
		if !errors.Is(err, errPrecondition) {
			return err
		}
		if err := gax.Sleep(ctx, pause.Pause()); err != nil {
			return fmt.Errorf("wait to try again: %w", err)
		}
	}
}

// backoff starts below the second that Cloud Storage wants between two writes of an object: most conflicts are of two.
func backoff() *gax.Backoff {
	return &gax.Backoff{Initial: 50 * time.Millisecond, Max: 2 * time.Second, Multiplier: 2}
}

// get returns an object and its generation. The client retries what is transient until ctx ends.
func (s *Store) get(ctx context.Context, bucket, name string) (_ []byte, generation int64, err error) {
	r, err := s.client.Bucket(bucket).Object(name).NewReader(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return nil, 0, ErrNotExist
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = fmt.Errorf("%w: larger than %d bytes", ErrMalformed, maxSize)
	}
	return data, r.Attrs.Generation, err
}

// put writes an object if its generation is still the given one, 0 meaning that there must be none. The precondition makes
// the write idempotent, so the client retries 429 and 5xx too; after a lost response that ends in errPrecondition.
func (s *Store) put(ctx context.Context, bucket, name string, generation int64, data []byte) (int64, error) {
	condition := storage.Conditions{GenerationMatch: generation, DoesNotExist: generation == 0}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the upload if it was not closed
	w := s.client.Bucket(bucket).Object(name).If(condition).NewWriter(ctx)
	w.ContentType = "application/json"
	w.ChunkSize = (len(data)/googleapi.MinUploadChunkSize + 1) * googleapi.MinUploadChunkSize // one request, retryable
	if _, err := w.Write(data); err != nil {
		return 0, precondition(err)
	}
	if err := w.Close(); err != nil {
		return 0, precondition(err)
	}
	return w.Attrs().Generation, nil
}

// remove deletes an object if its generation is still the given one.
func (s *Store) remove(ctx context.Context, bucket, name string, generation int64) error {
	err := s.client.Bucket(bucket).Object(name).Generation(generation).Delete(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return nil
	}
	return precondition(err)
}

func precondition(err error) error {
	var api *googleapi.Error
	if errors.As(err, &api) && api.Code == http.StatusPreconditionFailed {
		return fmt.Errorf("%w: %w", errPrecondition, err)
	}
	return err
}
