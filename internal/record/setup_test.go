package record

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/googleapis/gax-go/v2"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// cloud is a bucket with one experiment in it, behind the real client, and a clock that only the test moves.
type cloud struct {
	*Store
	t      *testing.T
	client *storage.Client
	wire   *wire
	time   atomic.Int64 // microseconds
	ref    Ref
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func setup(t *testing.T) *cloud {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "meta"})
	w := &wire{to: server.HTTPClient().Transport}
	client, err := storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: w}), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	client.SetRetry(storage.WithBackoff(gax.Backoff{Initial: time.Millisecond, Max: time.Millisecond}))
	c := &cloud{t: t, client: client, wire: w, ref: Ref{Bucket: "meta", Key: "1530054413_key"}}
	c.time.Store(began.UnixMicro())
	c.Store = New(client, c.clock)
	return c
}

func (c *cloud) clock() time.Time              { return time.UnixMicro(c.time.Load()).UTC() }
func (c *cloud) pass(d time.Duration)          { c.time.Add(d.Microseconds()) }
func (c *cloud) claimant() Claimant            { return Claimant{Executor: "pod-1", Pool: "cpu", MaxAttempts: 3} }
func (c *cloud) object() *storage.ObjectHandle { return c.client.Bucket("meta").Object(c.ref.Object()) }

// write stores the record as clients do: without a precondition.
func (c *cloud) write(text string) {
	c.t.Helper()
	w := c.object().NewWriter(context.WithoutCancel(c.t.Context()))
	if _, err := io.WriteString(w, text); err != nil {
		c.t.Error(err)
	}
	if err := w.Close(); err != nil {
		c.t.Error(err)
	}
}

// edit changes one member of the record as clients do, reading first and keeping the rest; "" deletes it.
func (c *cloud) edit(name, value string) {
	c.t.Helper()
	r, err := c.Read(c.t.Context(), c.ref)
	if err != nil {
		c.t.Error(err)
		return
	}
	if delete(r.fields, name); value != "" {
		r.fields[name] = json.RawMessage(value)
	}
	data, err := r.JSON()
	if err != nil {
		c.t.Error(err)
	}
	c.write(string(data))
}

func (c *cloud) read() *Record {
	c.t.Helper()
	r, err := c.Read(c.t.Context(), c.ref)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *cloud) lease() lease {
	c.t.Helper()
	l, err := c.readLease(c.t.Context(), c.ref)
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

func (c *cloud) mustClaim() Claim {
	c.t.Helper()
	claim, err := c.Claim(c.t.Context(), c.ref, c.claimant())
	if err != nil {
		c.t.Fatal(err)
	}
	return claim
}

// wire lets a test act between the client and the server.
type wire struct {
	to     http.RoundTripper
	mu     sync.Mutex
	before func(*http.Request)                                // each request
	after  func(*http.Request, *http.Response) *http.Response // replaces the response
}

func (w *wire) on(before func(*http.Request), after func(*http.Request, *http.Response) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after = before, after
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	before, after := w.before, w.after
	w.mu.Unlock()
	if before != nil {
		before(r)
	}
	resp, err := w.to.RoundTrip(r)
	if err == nil && after != nil {
		resp = after(r, resp)
	}
	return resp, err
}

func isWrite(r *http.Request) bool { return r.Method == http.MethodPost }

// beforeWrites runs do before each of the next n writes.
func (c *cloud) beforeWrites(n int, do func()) {
	c.wire.on(func(r *http.Request) {
		if isWrite(r) && n > 0 {
			n--
			left := n
			n = 0 // do's own writes are not interrupted
			do()
			n = left
		}
	}, nil)
}

// as tells whether err is an E.
func as[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
