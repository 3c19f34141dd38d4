package s3face_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/s3face"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")) // the client library's
}

const bucket = "store"

type silent struct{}

func (silent) Notify(context.Context, fakegcs.Notification) error { return nil }

type bench struct {
	gcs  *storage.Client
	s3   *minio.Client
	core minio.Core
	host string
}

func setup(t *testing.T) bench {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	gcs, err := fakegcs.Start(t.Context(), []string{bucket}, silent{}, log)
	if err != nil {
		t.Fatal(err)
	}
	client, err := storage.NewClient(t.Context(), option.WithEndpoint(gcs.URL+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	face, err := s3face.Start(t.Context(), s3face.Options{
		Client: client, Project: "studio-local", AccessKey: "key", Dir: filepath.Join(t.TempDir(), "parts"), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s3 := connect(t, face.URL, "key")
	t.Cleanup(func() {
		if err := errors.Join(face.Close(), face.Close(), client.Close(), gcs.Close()); err != nil {
			t.Error(err)
		}
	})
	return bench{gcs: client, s3: s3, core: minio.Core{Client: s3}, host: face.URL}
}

func connect(t *testing.T, address, key string) *minio.Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(key, "secret", ""), Region: "auto", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b bench) put(t *testing.T, key, content string, o minio.PutObjectOptions) {
	t.Helper()
	if _, err := b.s3.PutObject(t.Context(), bucket, key, strings.NewReader(content), int64(len(content)), o); err != nil {
		t.Fatal(err)
	}
}

func (b bench) get(t *testing.T, key string, o minio.GetObjectOptions) string {
	t.Helper()
	r, err := b.s3.GetObject(t.Context(), bucket, key, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestObjectsAndTheirMetadataAreTheSameOnBothFaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "experiments/k/output.tar", "from S3", minio.PutObjectOptions{UserMetadata: map[string]string{"studioml-state": "final"}, ContentType: "application/x-tar"})
	attrs, err := b.gcs.Bucket(bucket).Object("experiments/k/output.tar").Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if attrs.Metadata["studioml-state"] != "final" || attrs.ContentType != "application/x-tar" || attrs.Size != 7 || len(attrs.Metadata) != 1 || attrs.ContentEncoding != "" {
		t.Errorf("attrs = %+v; want what was put", attrs)
	}

	w := b.gcs.Bucket(bucket).Object("native").NewWriter(t.Context())
	w.Metadata = map[string]string{"studioml-attempt": "a1"}
	if _, err := io.WriteString(w, "from Cloud Storage"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := b.s3.StatObject(t.Context(), bucket, "native", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info.UserMetadata["Studioml-Attempt"] != "a1" || info.Headers.Get("X-Goog-Meta-Studioml-Attempt") != "a1" || info.Size != 18 {
		t.Errorf("info = %+v; want the metadata and size", info)
	}
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, b.host+"/"+bucket+"/native", nil)
	if err != nil {
		t.Fatal(err)
	}
	head.Header.Set("Authorization", "AWS key:unchecked")
	raw, err := new(http.Transport).RoundTrip(head)
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Body.Close()
	if raw.StatusCode != http.StatusOK || raw.ContentLength != 18 || raw.Header.Get("X-Amz-Meta-Studioml-Attempt") != "a1" {
		t.Errorf("HEAD = %s with %d bytes", raw.Status, raw.ContentLength)
	}
	if got := b.get(t, "native", minio.GetObjectOptions{}); got != "from Cloud Storage" {
		t.Errorf("got %q", got)
	}
}

func TestRangeIsServed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "k", "0123456789", minio.PutObjectOptions{})
	var o minio.GetObjectOptions
	if err := o.SetRange(2, 4); err != nil {
		t.Fatal(err)
	}
	r, _, _, err := b.core.GetObject(t.Context(), bucket, "k", o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || string(got) != "234" {
		t.Errorf("got %q, %v; want 234", got, err)
	}
}

func TestMultipartUploadBecomesOneObject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), (12<<20)/16)
	_, err := b.s3.PutObject(t.Context(), bucket, "big", bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{PartSize: 5 << 20, UserMetadata: map[string]string{"x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, "big", minio.GetObjectOptions{}); got != string(content) {
		t.Errorf("got %d bytes; want %d, unchanged", len(got), len(content))
	}
	if info, err := b.s3.StatObject(t.Context(), bucket, "big", minio.StatObjectOptions{}); err != nil || info.UserMetadata["X"] != "y" {
		t.Errorf("info = %+v, %v; want its metadata", info, err)
	}
	if err := errors.Join(func() (err error) {
		for u := range b.s3.ListIncompleteUploads(t.Context(), bucket, "", true) {
			err = errors.Join(err, u.Err, errors.New("left: "+u.UploadID))
		}
		return err
	}()); err != nil {
		t.Error(err)
	}
}

func TestMultipartUploadWithWrongPartIsRefusedAndCanBeAborted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, err := b.core.NewMultipartUpload(t.Context(), bucket, "big", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.core.PutObjectPart(t.Context(), bucket, "big", id, 1, strings.NewReader("part"), 4, minio.PutObjectPartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := b.core.ListObjectParts(t.Context(), bucket, "big", id, 0, 10); err != nil || len(list.ObjectParts) != 1 || list.ObjectParts[0].Size != 4 {
		t.Errorf("parts = %+v, %v; want the one", list.ObjectParts, err)
	}
	_, err = b.core.CompleteMultipartUpload(t.Context(), bucket, "big", id, []minio.CompletePart{{PartNumber: 2, ETag: p.ETag}}, minio.PutObjectOptions{})
	if code := minio.ToErrorResponse(err).Code; code != "InvalidPart" {
		t.Errorf("complete = %v; want InvalidPart", err)
	}
	if err := b.core.AbortMultipartUpload(t.Context(), bucket, "big", id); err != nil {
		t.Error(err)
	}
	if code := minio.ToErrorResponse(b.core.AbortMultipartUpload(t.Context(), bucket, "big", id)).Code; code != "NoSuchUpload" {
		t.Errorf("second abort = %s; want NoSuchUpload", code)
	}
}

func TestListingRollsUpFoldersAndPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		b.put(t, "experiments/k"+strconv.Itoa(i)+"/output.tar", "x", minio.PutObjectOptions{})
	}
	b.put(t, "experiments/loose", "x", minio.PutObjectOptions{})
	var names []string
	marker := ""
	for range 10 {
		page, err := b.core.ListObjects(bucket, "experiments/", marker, "/", 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.CommonPrefixes {
			names = append(names, p.Prefix)
		}
		for _, o := range page.Contents {
			names = append(names, o.Key)
		}
		if marker = page.NextMarker; !page.IsTruncated {
			break
		}
	}
	want := "experiments/k0/ experiments/k1/ experiments/k2/ experiments/k3/ experiments/k4/ experiments/loose"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("listed %s; want %s", got, want)
	}
}

func TestBucketsAreListedMadeAndRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	if err := b.s3.MakeBucket(ctx, "second", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if code := minio.ToErrorResponse(b.s3.MakeBucket(ctx, "second", minio.MakeBucketOptions{})).Code; code != "BucketAlreadyExists" {
		t.Errorf("made twice: %q; want BucketAlreadyExists", code)
	}
	if all, err := b.s3.ListBuckets(ctx); err != nil || len(all) != 2 || all[0].Name != "second" || all[1].Name != bucket {
		t.Errorf("buckets = %v, %v", all, err)
	}
	b.put(t, "k", "x", minio.PutObjectOptions{})
	if code := minio.ToErrorResponse(b.s3.RemoveBucket(ctx, bucket)).Code; code != "BucketNotEmpty" {
		t.Errorf("removed with an object: %q; want BucketNotEmpty", code)
	}
	if err := b.s3.RemoveBucket(ctx, "second"); err != nil {
		t.Error(err)
	}
	if ok, err := b.s3.BucketExists(ctx, "second"); ok || err != nil {
		t.Errorf("exists = %v, %v after its removal", ok, err)
	}
}

func TestCopyKeepsContentAndMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, "a", "content", minio.PutObjectOptions{UserMetadata: map[string]string{"x": "y"}})
	if _, err := b.s3.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: bucket, Object: "b/c d"}, minio.CopySrcOptions{Bucket: bucket, Object: "a"}); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, "b/c d", minio.GetObjectOptions{}); got != "content" {
		t.Errorf("got %q", got)
	}
	if info, err := b.s3.StatObject(t.Context(), bucket, "b/c d", minio.StatObjectOptions{}); err != nil || info.UserMetadata["X"] != "y" {
		t.Errorf("info = %+v, %v; want its metadata", info, err)
	}
}

func TestPreconditionsHold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var absent, same minio.PutObjectOptions
	absent.SetMatchETagExcept("*")
	b.put(t, "k", "1", absent)
	_, err := b.s3.PutObject(t.Context(), bucket, "k", strings.NewReader("2"), 1, absent)
	if code := minio.ToErrorResponse(err).Code; code != "PreconditionFailed" {
		t.Errorf("second put = %v; want PreconditionFailed", err)
	}
	info, err := b.s3.StatObject(t.Context(), bucket, "k", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same.SetMatchETag(info.ETag)
	b.put(t, "k", "2", same)
	if got := b.get(t, "k", minio.GetObjectOptions{}); got != "2" {
		t.Errorf("got %q; want 2", got)
	}
}

func TestMissingThingsHaveTheirErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.s3.StatObject(t.Context(), bucket, "none", minio.StatObjectOptions{})
	if code := minio.ToErrorResponse(err).Code; code != "NoSuchKey" {
		t.Errorf("stat = %v; want NoSuchKey", err)
	}
	_, err = b.s3.StatObject(t.Context(), "none", "k", minio.StatObjectOptions{})
	if err == nil {
		t.Error("stat in a missing bucket succeeded")
	}
	if err := b.s3.RemoveObject(t.Context(), bucket, "none", minio.RemoveObjectOptions{}); err != nil {
		t.Errorf("remove = %v; want nothing", err)
	}
	_, err = connect(t, b.host, "other").ListBuckets(t.Context())
	if code := minio.ToErrorResponse(err).Code; code != "InvalidAccessKeyId" {
		t.Errorf("list with another key = %v; want InvalidAccessKeyId", err)
	}
}

func TestSeveralObjectsAreRemovedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := make(chan minio.ObjectInfo, 3)
	for _, key := range []string{"a", "b", "c/d"} {
		b.put(t, key, "x", minio.PutObjectOptions{})
		names <- minio.ObjectInfo{Key: key}
	}
	close(names)
	for e := range b.s3.RemoveObjects(t.Context(), bucket, names, minio.RemoveObjectsOptions{}) {
		t.Error(e.Err)
	}
	if _, err := b.gcs.Bucket(bucket).Object("c/d").Attrs(t.Context()); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("attrs = %v; want none", err)
	}
}
