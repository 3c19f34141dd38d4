package s3face

import (
	"crypto/md5" //nolint:gosec // S3's entity tags are MD5 sums
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// uploads are the multipart uploads that were begun and neither completed nor aborted. They do not outlive the server.
type uploads struct {
	dir string

	mu   sync.Mutex
	next int
	all  map[gofakes3.UploadID]*upload
}

type upload struct {
	id          gofakes3.UploadID
	bucket, key string
	meta        map[string]string
	began       time.Time
	dir         string
	parts       map[int]part
}

type part struct {
	etag  string
	size  int64
	file  string
	ended time.Time
}

func newUploads(dir string) *uploads {
	return &uploads{dir: dir, all: map[gofakes3.UploadID]*upload{}}
}

func (u *uploads) CreateMultipartUpload(bucket, key string, meta map[string]string) (gofakes3.UploadID, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.next++
	id := gofakes3.UploadID("upload-" + strconv.Itoa(u.next))
	dir := filepath.Join(u.dir, string(id))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	u.all[id] = &upload{id: id, bucket: bucket, key: key, meta: meta, began: time.Now(), dir: dir, parts: map[int]part{}}
	return id, nil
}

func (u *uploads) find(bucket, key string, id gofakes3.UploadID) (*upload, error) {
	found := u.all[id]
	if found == nil || found.bucket != bucket || found.key != key {
		return nil, gofakes3.ErrNoSuchUpload
	}
	return found, nil
}

// UploadPart writes a part to a file of its own; the last one of a number counts.
func (u *uploads) UploadPart(bucket, key string, id gofakes3.UploadID, number int, size int64, in io.Reader) (string, error) {
	u.mu.Lock()
	found, err := u.find(bucket, key, id)
	u.mu.Unlock()
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(found.dir, strconv.Itoa(number)+"-")
	if err != nil {
		return "", err
	}
	sum := md5.New() //nolint:gosec // S3's entity tags are MD5 sums
	n, err := io.Copy(io.MultiWriter(file, sum), in)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil && n != size {
		err = gofakes3.ErrIncompleteBody
	}
	if err != nil {
		_ = os.Remove(file.Name()) // goes with the folder otherwise
		return "", err
	}
	etag := gofakes3.FormatETag(sum.Sum(nil))
	u.mu.Lock()
	defer u.mu.Unlock()
	found.parts[number] = part{etag: etag, size: n, file: file.Name(), ended: time.Now()}
	return etag, nil
}

func (u *uploads) AbortMultipartUpload(bucket, key string, id gofakes3.UploadID) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	found, err := u.find(bucket, key, id)
	if err != nil {
		return err
	}
	delete(u.all, id)
	return os.RemoveAll(found.dir)
}

// CompleteMultipartUpload writes the parts, one after the other, as one object.
func (b *backend) CompleteMultipartUpload(bucket, key string, id gofakes3.UploadID, in *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	found, parts, err := b.chosen(bucket, key, id, in.Parts)
	if err != nil {
		return "", "", err
	}
	content := &partReader{parts: parts}
	err = b.write(b.object(bucket, key), found.meta, content, content.size())
	if closeErr := content.close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = b.AbortMultipartUpload(bucket, key, id)
	}
	return "", combinedTag(parts), translated(err, bucket, key)
}

// chosen are the parts that the client lists, by ascending numbers and with the tags that they were given.
func (u *uploads) chosen(bucket, key string, id gofakes3.UploadID, listed []gofakes3.CompletedPart) (*upload, []part, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	found, err := u.find(bucket, key, id)
	if err != nil {
		return nil, nil, err
	}
	if !slices.IsSortedFunc(listed, func(a, b gofakes3.CompletedPart) int { return a.PartNumber - b.PartNumber }) {
		return nil, nil, gofakes3.ErrInvalidPartOrder
	}
	var parts []part
	for _, l := range listed {
		p, ok := found.parts[l.PartNumber]
		if !ok || strings.Trim(l.ETag, `"`) != strings.Trim(p.etag, `"`) {
			return nil, nil, gofakes3.ErrInvalidPart
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, nil, gofakes3.ErrMalformedXML
	}
	return found, parts, nil
}

// combinedTag is the MD5 of the parts' sums and their number, as S3 makes it.
func combinedTag(parts []part) string {
	sum := md5.New() //nolint:gosec // S3's entity tags are MD5 sums
	for _, p := range parts {
		digest, _ := hex.DecodeString(strings.Trim(p.etag, `"`)) // was encoded here
		_, _ = sum.Write(digest)                                 // never fails
	}
	return fmt.Sprintf(`"%x-%d"`, sum.Sum(nil), len(parts))
}
