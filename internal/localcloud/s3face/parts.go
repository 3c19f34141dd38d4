package s3face

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/johannesboyne/gofakes3"
)

// A partReader reads files one after the other, with one open at a time.
type partReader struct {
	parts []part
	next  int
	open  *os.File
}

func (r *partReader) size() (total int64) {
	for _, p := range r.parts {
		total += p.size
	}
	return total
}

func (r *partReader) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if r.next == len(r.parts) {
				return 0, io.EOF
			}
			file, err := os.Open(r.parts[r.next].file)
			if err != nil {
				return 0, err
			}
			r.open, r.next = file, r.next+1
		}
		n, err := r.open.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := r.close(); err != nil || n > 0 {
			return n, err
		}
	}
}

func (r *partReader) close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

// ListMultipartUploads lists all uploads of a bucket at once.
func (u *uploads) ListMultipartUploads(bucket string, _ *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64) (*gofakes3.ListMultipartUploadsResult, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	result := &gofakes3.ListMultipartUploadsResult{Bucket: bucket, Prefix: prefix.Prefix, Delimiter: prefix.Delimiter, MaxUploads: limit}
	for _, found := range u.all {
		if found.bucket == bucket && prefix.Match(found.key, nil) {
			result.Uploads = append(result.Uploads, gofakes3.ListMultipartUploadItem{
				Key: found.key, UploadID: found.id, Initiated: gofakes3.NewContentTime(found.began), StorageClass: "STANDARD",
			})
		}
	}
	slices.SortFunc(result.Uploads, func(a, b gofakes3.ListMultipartUploadItem) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.UploadID, b.UploadID))
	})
	return result, nil
}

// ListParts lists the parts after the marker, at most limit of them.
func (u *uploads) ListParts(bucket, key string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	found, err := u.find(bucket, key, id)
	if err != nil {
		return nil, err
	}
	result := &gofakes3.ListMultipartUploadPartsResult{
		Bucket: bucket, Key: key, UploadID: id, MaxParts: limit, PartNumberMarker: marker, StorageClass: "STANDARD",
	}
	for _, number := range slices.Sorted(maps.Keys(found.parts)) {
		if number <= marker {
			continue
		}
		if int64(len(result.Parts)) == limit {
			result.IsTruncated = true
			break
		}
		p := found.parts[number]
		result.NextPartNumberMarker = number
		result.Parts = append(result.Parts, gofakes3.ListMultipartUploadPartItem{
			PartNumber: number, Size: p.size, ETag: p.etag, LastModified: gofakes3.NewContentTime(p.ended),
		})
	}
	return result, nil
}
