package s3face

import (
	"context"
	"errors"
	"io"
	"net/http"

	"cloud.google.com/go/storage"
	"github.com/johannesboyne/gofakes3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

// A backend is what the library asks. It passes no context, so that all requests share the server's.
type backend struct {
	*uploads
	ctx     context.Context //nolint:containedctx // the library's interface has none
	client  *storage.Client
	project string
}

var (
	_ gofakes3.Backend          = (*backend)(nil)
	_ gofakes3.MultipartBackend = (*backend)(nil)
)

func (b *backend) object(bucket, key string) *storage.ObjectHandle {
	return b.client.Bucket(bucket).Object(key)
}

// translated makes S3's errors of those of Cloud Storage; others become internal errors.
func translated(err error, bucket, key string) error {
	var api *googleapi.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrBucketNotExist):
		return gofakes3.BucketNotFound(bucket)
	case errors.Is(err, storage.ErrObjectNotExist):
		return gofakes3.KeyNotFound(key)
	case errors.As(err, &api) && api.Code == http.StatusPreconditionFailed:
		return gofakes3.ErrPreconditionFailed
	case errors.As(err, &api) && api.Code == http.StatusConflict:
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, bucket)
	}
	return err
}

func (b *backend) GetObject(bucket, key string, ranged *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, err := b.HeadObject(bucket, key)
	if err != nil {
		return nil, err
	}
	if o.Range, err = ranged.Range(o.Size); err != nil {
		return nil, err
	}
	start, length := int64(0), int64(-1)
	if o.Range != nil {
		start, length = o.Range.Start, o.Range.Length
	}
	o.Contents, err = b.object(bucket, key).ReadCompressed(true).NewRangeReader(b.ctx, start, length)
	return o, translated(err, bucket, key)
}

func (b *backend) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	attrs, err := b.object(bucket, key).Attrs(b.ctx)
	if err != nil {
		return nil, translated(err, bucket, key)
	}
	return &gofakes3.Object{Name: key, Metadata: headers(attrs), Size: attrs.Size, Hash: hash(attrs), Contents: http.NoBody}, nil
}

func (b *backend) PutObject(bucket, key string, meta map[string]string, in io.Reader, size int64, c *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	object := b.object(bucket, key)
	if c != nil {
		conditions, err := b.conditions(bucket, key, c)
		if err != nil {
			return gofakes3.PutObjectResult{}, err
		}
		object = object.If(conditions)
	}
	return gofakes3.PutObjectResult{}, translated(b.write(object, meta, in, size), bucket, key)
}

// write streams an object into the storage in one request; a body that ends too early or has another digest than was said leaves none.
func (b *backend) write(object *storage.ObjectHandle, meta map[string]string, in io.Reader, size int64) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	w := object.NewWriter(ctx)
	w.ChunkSize = 0
	describe(&w.ObjectAttrs, meta)
	n, err := io.Copy(w, in)
	if err == nil && n != size {
		err = gofakes3.ErrIncompleteBody
	}
	if err != nil {
		cancel()
		_ = w.Close() // aborted; it says so
		return err
	}
	return w.Close()
}

// conditions are If-None-Match: * and If-Match with an entity tag.
func (b *backend) conditions(bucket, key string, c *gofakes3.PutConditions) (storage.Conditions, error) {
	if c.IfMatch == nil {
		return storage.Conditions{DoesNotExist: true}, nil
	}
	attrs, err := b.object(bucket, key).Attrs(b.ctx)
	if err != nil {
		return storage.Conditions{}, translated(err, bucket, key)
	}
	info := &gofakes3.ConditionalObjectInfo{Exists: true, Hash: hash(attrs)}
	return storage.Conditions{GenerationMatch: attrs.Generation}, gofakes3.CheckPutConditions(c, info)
}

func (b *backend) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	err := b.object(bucket, key).Delete(b.ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		err = nil // deleting nothing is no error in S3
	}
	return gofakes3.ObjectDeleteResult{}, translated(err, bucket, key)
}

func (b *backend) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := b.DeleteObject(bucket, key); err != nil {
			fault := gofakes3.ErrorResultFromError(err)
			fault.Key = key
			result.Error = append(result.Error, fault)
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

func (b *backend) CopyObject(fromBucket, fromKey, bucket, key string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	c := b.object(bucket, key).CopierFrom(b.object(fromBucket, fromKey))
	describe(&c.ObjectAttrs, meta)
	attrs, err := c.Run(b.ctx)
	if err != nil {
		return gofakes3.CopyObjectResult{}, translated(err, fromBucket, fromKey)
	}
	return gofakes3.CopyObjectResult{ETag: gofakes3.FormatETag(hash(attrs)), LastModified: gofakes3.NewContentTime(attrs.Updated)}, nil
}

// each calls f with what a query finds.
func (b *backend) each(bucket string, query *storage.Query, f func(*storage.ObjectAttrs) error) error {
	for it := b.client.Bucket(bucket).Objects(b.ctx, query); ; {
		attrs, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err == nil {
			err = f(attrs)
		}
		if err != nil {
			return err
		}
	}
}
