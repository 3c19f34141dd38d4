package artifact

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// s3 is any store that speaks the S3 protocol, under credentials that a request carries.
type s3 struct {
	client *minio.Core
	stall  time.Duration
}

// newS3 connects to o's host, once it is first used.
func newS3(o Object, creds request.Credentials, transport http.RoundTripper) (*s3, error) {
	id, secret := accessKey(creds)
	core, err := minio.NewCore(o.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(id, secret, creds.SessionToken.Reveal()),
		Secure:    !o.Insecure,
		Transport: transport,
		Region:    creds.Region,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Host, err)
	}
	return &s3{client: core, stall: stallLimit}, nil
}

// accessKey takes a user and a password for an access key: MinIO calls its own so.
func accessKey(c request.Credentials) (id, secret string) {
	if c.AccessKey != "" {
		return c.AccessKey, c.SecretAccessKey.Reveal()
	}
	return c.User, c.Password.Reveal()
}

func (s *s3) Open(ctx context.Context, o Object) (io.ReadCloser, Info, error) {
	ctx, dog := watch(ctx, s.stall)
	body, stat, _, err := s.client.GetObject(ctx, o.Bucket, o.Key, minio.GetObjectOptions{})
	if err != nil {
		err = s.fault(o, false, cause(ctx, err))
		dog.end(nil)
		return nil, Info{}, err
	}
	dog.disarm()
	r := &resumed{body: body, size: stat.Size, again: func(offset int64) (io.ReadCloser, error) {
		return s.resume(ctx, o, stat.ETag, offset)
	}}
	return &guarded{r: r, dog: dog, cause: func(err error) error { return s.fault(o, false, cause(ctx, err)) }}, s3Info(stat), nil
}

// resume asks for the rest of the object, if it is still the one that etag names.
func (s *s3) resume(ctx context.Context, o Object, etag string, offset int64) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if err := errors.Join(opts.SetRange(offset, 0), opts.SetMatchETag(etag)); err != nil {
		return nil, err
	}
	body, stat, _, err := s.client.GetObject(ctx, o.Bucket, o.Key, opts)
	if err != nil {
		return nil, err
	}
	if stat.ETag != etag { // not every server knows If-Match
		return nil, errors.Join(errors.New("the object changed while it was read"), body.Close())
	}
	return body, nil
}

func (s *s3) Attrs(ctx context.Context, o Object) (Info, error) {
	ctx, dog := watch(ctx, s.stall)
	defer dog.end(nil)
	stat, err := s.client.StatObject(ctx, o.Bucket, o.Key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, s.fault(o, false, cause(ctx, err))
	}
	return s3Info(stat), nil
}

// Put knows one precondition, that nothing is there, and that of one part alone: S3 has no generations, and the client
// passes the condition on for a single request only.
func (s *s3) Put(ctx context.Context, o Object, p Put, write func(io.Writer) error) (Info, error) {
	if p.IfGeneration != nil && *p.IfGeneration != 0 {
		return Info{}, fmt.Errorf("write %s over generation %d: an S3 store has no generations", o, *p.IfGeneration)
	}
	ctx, dog := watch(ctx, s.stall)
	defer dog.end(nil)
	pr, pw := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(pw)
		_ = pw.CloseWithError(err) // nil is the end of the object
		wrote <- err
	}()
	err := s.send(ctx, o, p, &progress{r: pr, dog: dog})
	_ = pr.CloseWithError(errAbandoned)
	if werr := <-wrote; werr != nil && !errors.Is(werr, errAbandoned) {
		return Info{}, werr
	}
	if err != nil {
		return Info{}, s.fault(o, true, cause(ctx, err))
	}
	return s.Attrs(ctx, o)
}

// errAbandoned is what a writer sees once the upload has ended without it.
var errAbandoned = errors.New("upload ended")

// send sends what fits into one part in one request, more in parts of their own.
func (s *s3) send(ctx context.Context, o Object, p Put, body io.Reader) error {
	opts := minio.PutObjectOptions{
		UserMetadata: p.Metadata, PartSize: chunkSize, ContentType: contentType(o.Key),
		DisableContentSha256: true, // parts carry a CRC32C
	}
	r := bufio.NewReaderSize(body, chunkSize)
	size := int64(-1)
	start, err := r.Peek(chunkSize)
	switch {
	case errors.Is(err, io.EOF):
		size = int64(len(start))
	case err != nil:
		return err
	case p.IfGeneration != nil:
		return errors.New("an S3 store takes no precondition for so large an object")
	}
	if p.IfGeneration != nil {
		opts.SetMatchETagExcept("*")
	}
	_, err = s.client.Client.PutObject(ctx, o.Bucket, o.Key, r, size, opts)
	return err
}

func (s *s3) fault(o Object, write bool, err error) error {
	act := "read"
	if write {
		act = "write"
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s %s: %w", act, o, err)
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", act, o, ErrNotExist)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%s %s: %w", act, o, ErrPrecondition)
	case http.StatusForbidden, http.StatusUnauthorized:
		return &DeniedError{Object: o, Write: write, Err: err}
	}
	return fmt.Errorf("%s %s: %w", act, o, err)
}

func s3Info(o minio.ObjectInfo) Info {
	return Info{Size: o.Size, Metadata: lowerKeys(o.UserMetadata), Updated: o.LastModified}
}

// progress disarms the watchdog while the writer, not the store, is being waited for.
type progress struct {
	r   io.Reader
	dog *watchdog
}

func (p *progress) Read(b []byte) (int, error) {
	p.dog.disarm()
	defer p.dog.reset()
	return p.r.Read(b)
}
