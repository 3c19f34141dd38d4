package artifact

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// middleware stands between a client and a fake store, and spoils some requests.
type middleware func(next http.Handler) http.Handler

func TestABrokenDownloadGoesOnAtItsOffset(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, middleware) (Store, Object){"Cloud Storage": faultyGCS, "S3": faultyS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := strings.Repeat("0123456789", 500_000)
			var downloads, resumed atomic.Int32
			s, o := open(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, ".tar") {
						next.ServeHTTP(w, r)
						return
					}
					if r.Header.Get("Range") != "" {
						resumed.Add(1)
					}
					if downloads.Add(1) < 4 {
						w = &breaking{ResponseWriter: w, left: 1_000_000}
					}
					next.ServeHTTP(w, r)
				})
			})
			put(t, s, o, Put{}, body)
			if got, _ := get(t, s, o); got != body {
				t.Errorf("got %d bytes that are not what was written", len(got))
			}
			if resumed.Load() != 3 {
				t.Errorf("the download was taken up %d times, want 3", resumed.Load())
			}
		})
	}
}

func TestADownloadIsNotOfTwoObjects(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, middleware) (Store, Object){"Cloud Storage": faultyGCS, "S3": faultyS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			s, o := open(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".tar") && broken.CompareAndSwap(false, true) {
						w = &breaking{ResponseWriter: w, left: 1_000_000}
					}
					next.ServeHTTP(w, r)
				})
			})
			put(t, s, o, Put{}, strings.Repeat("old", 1_000_000))
			r, _, err := s.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			put(t, s, o, Put{}, strings.Repeat("new", 1_000_000))
			if data, err := io.ReadAll(r); err == nil {
				t.Errorf("got %d bytes of two objects", len(data))
			}
		})
	}
}

func TestAnUploadIsRetried(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Put{"over anything": {}, "over nothing": {IfGeneration: new(int64)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var uploads atomic.Int32
			s, o := faultyGCS(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasPrefix(r.URL.Path, "/upload") && uploads.Add(1)%2 == 1 {
						http.Error(w, "overloaded", http.StatusServiceUnavailable)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			for _, size := range []int{10, chunkSize + 10} {
				o.Key = name + time.Duration(size).String()
				put(t, s, o, p, strings.Repeat("x", size))
			}
		})
	}
}

// The first try arrives, its answer does not: the retry finds that the precondition no longer holds.
func TestAPutThatMeetsItselfSucceeded(t *testing.T) {
	t.Parallel()
	var lost atomic.Bool
	s, o := faultyGCS(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/upload") && lost.CompareAndSwap(false, true) {
				next.ServeHTTP(httptest.NewRecorder(), r)
				http.Error(w, "lost", http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	p := Put{IfGeneration: new(int64), Metadata: map[string]string{"studioml-attempt": "a1"}}
	if info := put(t, s, o, p, "body"); info.Generation == 0 || info.Size != 4 {
		t.Errorf("Put = %+v", info)
	}
	p.Metadata = map[string]string{"studioml-attempt": "a2"}
	if _, err := s.Put(t.Context(), o, p, text("body")); !errors.Is(err, ErrPrecondition) {
		t.Errorf("another attempt's Put = %v, want %v", err, ErrPrecondition)
	}
}

func TestAStoreThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, middleware) (Store, Object){"Cloud Storage": faultyGCS, "S3": faultyS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := open(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
				})
			})
			hurry(s)
			_, _, err := s.Open(t.Context(), o)
			stalled(t, "Open", err)
			_, err = s.Attrs(t.Context(), o)
			stalled(t, "Attrs", err)
			for _, size := range []int{1, 2 * chunkSize} {
				_, err = s.Put(t.Context(), o, Put{}, text(strings.Repeat("x", size)))
				stalled(t, "Put", err)
			}
		})
	}
}

func TestADownloadThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, middleware) (Store, Object){"Cloud Storage": faultyGCS, "S3": faultyS3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := open(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".tar") {
						w = &breaking{ResponseWriter: w, left: 1000, hang: r.Context().Done()}
					}
					next.ServeHTTP(w, r)
				})
			})
			put(t, s, o, Put{}, strings.Repeat("x", 5_000_000))
			hurry(s)
			r, _, err := s.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, r)
			stalled(t, "Read", err)
			_ = r.Close() // a download that was given up has no good end
		})
	}
}

func TestDenialsSayWhoNeedsWhat(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		open func(*testing.T, middleware) (Store, Object)
		own  bool
		says string
	}{
		"Cloud Storage": {faultyGCS, true, "service account"},
		"S3":            {faultyS3, false, "credentials that the request carries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := tc.open(t, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			})
			_, _, openErr := s.Open(t.Context(), o)
			_, attrsErr := s.Attrs(t.Context(), o)
			_, putErr := s.Put(t.Context(), o, Put{}, text("x"))
			for act, err := range map[string]error{"Open": openErr, "Attrs": attrsErr, "Put": putErr} {
				var denied *DeniedError
				if !errors.As(err, &denied) || denied.Own != tc.own || denied.Write != (act == "Put") {
					t.Errorf("%s = %v, want a *DeniedError", act, err)
					continue
				}
				if msg := err.Error(); !strings.Contains(msg, tc.says) || !strings.Contains(msg, o.Bucket) || strings.Contains(msg, "s3cret") {
					t.Errorf("%s says %q", act, msg)
				}
			}
		})
	}
}

func faultyGCS(t *testing.T, spoil middleware) (Store, Object) {
	t.Helper()
	var handler http.Handler
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, ExternalURL: front.URL, PublicHost: front.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Stop)
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "store"})
	handler = spoil(fake.HTTPHandler())
	return &gcs{client: newClient(t, front.URL), stall: time.Minute}, Object{Scheme: "gs", Bucket: "store", Key: "experiments/e/modeldir.tar"}
}

// newClient is a real client of a store at url. Without its last option it would look for credentials of this machine.
func newClient(tb testing.TB, url string) *storage.Client {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	client, err := storage.NewClient(tb.Context(), option.WithEndpoint(url+"/storage/v1/"),
		option.WithHTTPClient(&http.Client{Transport: transport}), option.WithoutAuthentication())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func faultyS3(t *testing.T, spoil middleware) (Store, Object) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("store"); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(spoil(gofakes3.New(backend).Server()))
	t.Cleanup(front.Close)
	o := Object{Scheme: "s3", Host: front.Listener.Addr().String(), Bucket: "store", Key: "data/set.tar", Insecure: true}
	transport := newTransport(true)
	t.Cleanup(transport.CloseIdleConnections)
	s, err := newS3(o, request.Credentials{AccessKey: "access", SecretAccessKey: "s3cret", Region: "us-east-1"}, transport)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

// hurry makes a store give up soon.
func hurry(s Store) {
	const soon = 200 * time.Millisecond
	switch s := s.(type) {
	case *gcs:
		s.stall = soon
	case *s3:
		s.stall = soon
	}
}

func stalled(t *testing.T, act string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "no progress for") {
		t.Errorf("%s = %v, want it to say that there was no progress", act, err)
	}
}

// breaking breaks the connection after some bytes, or hangs until the client goes.
type breaking struct {
	http.ResponseWriter
	left int
	hang <-chan struct{}
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) < b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:b.left])
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	if b.hang != nil {
		<-b.hang
	}
	panic(http.ErrAbortHandler)
}
