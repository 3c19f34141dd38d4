package artifact

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The storage client's metrics library starts it in an init and never ends it.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
	)
}

// What every store does, over the real client of each.
func TestStoresConform(t *testing.T) {
	t.Parallel()
	stores := map[string]struct {
		open        func(*testing.T) (Store, Object)
		generations bool
	}{
		"Cloud Storage": {openGCS, true},
		"S3":            {openS3, false},
	}
	for name, tc := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("an object is read as it was written", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				metadata := map[string]string{"studioml-attempt": "a1", "studioml-state": "final"}
				body := strings.Repeat("0123456789", 100_000)
				wrote := put(t, s, o, Put{Metadata: metadata}, body)
				if wrote.Size != int64(len(body)) || (wrote.Generation > 0) != tc.generations {
					t.Errorf("Put = %+v", wrote)
				}
				got, info := get(t, s, o)
				if got != body || info.Size != wrote.Size || info.Generation != wrote.Generation || !maps.Equal(info.Metadata, metadata) {
					t.Errorf("Open = %d bytes, %+v; want what Put said, %+v", len(got), info, wrote)
				}
				attrs, err := s.Attrs(t.Context(), o)
				if err != nil || attrs.Size != wrote.Size || attrs.Generation != wrote.Generation || !maps.Equal(attrs.Metadata, metadata) {
					t.Errorf("Attrs = %+v, %v; want what Put said, %+v", attrs, err, wrote)
				}
				if attrs.Updated.IsZero() || info.Updated.IsZero() {
					t.Errorf("updated at %v, %v", attrs.Updated, info.Updated)
				}
			})
			t.Run("an object of several chunks and an empty one", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				for _, size := range []int{chunkSize*2 + 12345, chunkSize, 0} {
					put(t, s, o, Put{}, strings.Repeat("x", size))
					if got, _ := get(t, s, o); len(got) != size {
						t.Errorf("got %d bytes, want %d", len(got), size)
					}
				}
			})
			t.Run("what is not there is told", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				if _, _, err := s.Open(t.Context(), o); !errors.Is(err, ErrNotExist) {
					t.Errorf("Open = %v, want %v", err, ErrNotExist)
				}
				if _, err := s.Attrs(t.Context(), o); !errors.Is(err, ErrNotExist) {
					t.Errorf("Attrs = %v, want %v", err, ErrNotExist)
				}
			})
			t.Run("an object is not written over one that must not exist", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				put(t, s, o, Put{IfGeneration: new(int64)}, "first")
				_, err := s.Put(t.Context(), o, Put{IfGeneration: new(int64)}, text("second"))
				if !errors.Is(err, ErrPrecondition) {
					t.Errorf("Put = %v, want %v", err, ErrPrecondition)
				}
				if got, _ := get(t, s, o); got != "first" {
					t.Errorf("the object holds %q", got)
				}
			})
			t.Run("a writer that fails writes nothing", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				put(t, s, o, Put{}, "before")
				broken := errors.New("disk is gone")
				for _, size := range []int{0, 10, chunkSize + 10} {
					_, err := s.Put(t.Context(), o, Put{}, func(w io.Writer) error {
						return errors.Join(text(strings.Repeat("x", size))(w), broken)
					})
					if !errors.Is(err, broken) {
						t.Errorf("Put = %v, want %v", err, broken)
					}
				}
				if got, _ := get(t, s, o); got != "before" {
					t.Errorf("the object holds %d bytes", len(got))
				}
			})
			t.Run("a context that ends, ends a put with its cause", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				superseded := errors.New("superseded")
				ctx, cancel := context.WithCancelCause(t.Context())
				_, err := s.Put(ctx, o, Put{}, func(w io.Writer) error {
					cancel(superseded)
					return text(strings.Repeat("x", 2*chunkSize))(w)
				})
				if !errors.Is(err, superseded) {
					t.Errorf("Put = %v, want %v", err, superseded)
				}
				if _, err := s.Attrs(t.Context(), o); !errors.Is(err, ErrNotExist) {
					t.Errorf("Attrs = %v, want %v", err, ErrNotExist)
				}
			})
			t.Run("a folder comes back", func(t *testing.T) {
				t.Parallel()
				s, o := tc.open(t)
				dir, again := t.TempDir(), filepath.Join(t.TempDir(), "again")
				write(t, dir, "sub/file", "content", 0o644)
				if _, err := Upload(t.Context(), s, o, dir, Put{}); err != nil {
					t.Fatal(err)
				}
				if _, err := Fetch(t.Context(), s, o, again, unpacked); err != nil {
					t.Fatal(err)
				}
				if got := read(t, again, "sub/file"); got != "content" {
					t.Errorf("sub/file holds %q", got)
				}
			})
		})
	}
}

func TestCloudStorageWritesOverTheGenerationThatWasRead(t *testing.T) {
	t.Parallel()
	s, o := openGCS(t)
	first := put(t, s, o, Put{}, "first")
	second := put(t, s, o, Put{IfGeneration: &first.Generation}, "second")
	if second.Generation == first.Generation {
		t.Errorf("both writes made generation %d", first.Generation)
	}
	if _, err := s.Put(t.Context(), o, Put{IfGeneration: &first.Generation}, text("third")); !errors.Is(err, ErrPrecondition) {
		t.Errorf("Put over an old generation = %v, want %v", err, ErrPrecondition)
	}
}

func TestS3HasNoGenerations(t *testing.T) {
	t.Parallel()
	s, o := openS3(t)
	generation := int64(7)
	if _, err := s.Put(t.Context(), o, Put{IfGeneration: &generation}, text("x")); err == nil {
		t.Error("a precondition was passed over")
	}
}

func openGCS(t *testing.T) (Store, Object) {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "store"})
	return &gcs{client: server.Client(), stall: time.Minute}, Object{Scheme: "gs", Bucket: "store", Key: "experiments/e/modeldir.tar"}
}

var s3Credentials = request.Credentials{AccessKey: "access", SecretAccessKey: "secret"}

func openS3(t *testing.T) (Store, Object) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("store"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	o := Object{Scheme: "s3", Host: strings.TrimPrefix(server.URL, "http://"), Bucket: "store", Key: "data/set.tar", Insecure: true}
	transport := newTransport(true)
	t.Cleanup(transport.CloseIdleConnections)
	s, err := newS3(o, s3Credentials, transport)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func put(t *testing.T, s Store, o Object, p Put, body string) Info {
	t.Helper()
	info, err := s.Put(t.Context(), o, p, text(body))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t *testing.T, s Store, o Object) (string, Info) {
	t.Helper()
	r, info, err := s.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data), info
}

func text(body string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, body)
		return err
	}
}
