package s3face

import (
	"cmp"
	"errors"
	"slices"

	"cloud.google.com/go/storage"
	"github.com/johannesboyne/gofakes3"
	"google.golang.org/api/iterator"
)

func (b *backend) ListBuckets() ([]gofakes3.BucketInfo, error) {
	var buckets []gofakes3.BucketInfo
	for it := b.client.Buckets(b.ctx, b.project); ; {
		attrs, err := it.Next()
		if errors.Is(err, iterator.Done) {
			slices.SortFunc(buckets, func(x, y gofakes3.BucketInfo) int { return cmp.Compare(x.Name, y.Name) })
			return buckets, nil
		}
		if err != nil {
			return nil, err
		}
		buckets = append(buckets, gofakes3.BucketInfo{Name: attrs.Name, CreationDate: gofakes3.NewContentTime(attrs.Created)})
	}
}

// ListBucket lists names after the marker, with those that share a prefix up to the delimiter rolled into one.
func (b *backend) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	query := &storage.Query{}
	if prefix != nil {
		query.Prefix, query.Delimiter = prefix.Prefix, prefix.Delimiter
	}
	entries := map[string]*storage.ObjectAttrs{}
	err := b.each(bucket, query, func(attrs *storage.ObjectAttrs) error {
		if name := attrs.Prefix + attrs.Name; !page.HasMarker || name > page.Marker { // one of them is empty
			entries[name] = attrs
		}
		return nil
	})
	if err != nil {
		return nil, translated(err, bucket, "")
	}
	return paged(entries, page.MaxKeys), nil
}

func paged(entries map[string]*storage.ObjectAttrs, limit int64) *gofakes3.ObjectList {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	list := gofakes3.NewObjectList()
	if limit > 0 && int64(len(names)) > limit {
		names = names[:limit]
		list.IsTruncated, list.NextMarker = true, names[limit-1]
	}
	for _, name := range names {
		attrs := entries[name]
		if attrs.Prefix != "" {
			list.AddPrefix(attrs.Prefix)
			continue
		}
		list.Add(&gofakes3.Content{
			Key: name, Size: attrs.Size, ETag: gofakes3.FormatETag(hash(attrs)),
			LastModified: gofakes3.NewContentTime(attrs.Updated), StorageClass: "STANDARD",
		})
	}
	return list
}

func (b *backend) CreateBucket(name string) error {
	return translated(b.client.Bucket(name).Create(b.ctx, b.project, nil), name, "")
}

func (b *backend) BucketExists(name string) (bool, error) {
	_, err := b.client.Bucket(name).Attrs(b.ctx)
	if errors.Is(err, storage.ErrBucketNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (b *backend) DeleteBucket(name string) error {
	notEmpty := gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	if err := b.each(name, nil, func(*storage.ObjectAttrs) error { return notEmpty }); err != nil {
		return translated(err, name, "")
	}
	return translated(b.client.Bucket(name).Delete(b.ctx), name, "")
}

func (b *backend) ForceDeleteBucket(name string) error {
	err := b.each(name, nil, func(attrs *storage.ObjectAttrs) error {
		_, err := b.DeleteObject(name, attrs.Name)
		return err
	})
	if err != nil {
		return translated(err, name, "")
	}
	return b.DeleteBucket(name)
}
