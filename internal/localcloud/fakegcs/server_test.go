package fakegcs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/storage"
	"go.uber.org/goleak"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")) // the client library's
}

type notes struct {
	mu   sync.Mutex
	all  []fakegcs.Notification
	fail error
}

func (n *notes) Notify(_ context.Context, note fakegcs.Notification) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, note)
	return n.fail
}

func setup(t *testing.T, n *notes) *storage.BucketHandle {
	t.Helper()
	s, err := fakegcs.Start(t.Context(), []string{"store"}, n, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	client, err := storage.NewClient(t.Context(), option.WithEndpoint(s.URL+"/storage/v1/"), option.WithoutAuthentication(), storage.WithJSONReads())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(client.Close(), s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return client.Bucket("store")
}

func write(t *testing.T, w *storage.Writer, content string) *storage.ObjectAttrs {
	t.Helper()
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Attrs()
}

func TestEveryKindOfWriteIsNotifiedOnceWithItsGeneration(t *testing.T) {
	t.Parallel()
	n := &notes{fail: errors.New("Pub/Sub is down")} // which is no reason to fail the write
	bucket := setup(t, n)
	small := bucket.Object("small").NewWriter(t.Context())
	small.Metadata = map[string]string{"studioml-state": "final"}
	want := []*storage.ObjectAttrs{write(t, small, "x")}
	streamed := bucket.Object("streamed").NewWriter(t.Context())
	streamed.ChunkSize = 0
	want = append(want, write(t, streamed, "x"))
	resumable := bucket.Object("a/resumable").NewWriter(t.Context())
	resumable.ChunkSize = 256 << 10
	want = append(want, write(t, resumable, strings.Repeat("x", 600<<10)))
	copied, err := bucket.Object("copied").CopierFrom(bucket.Object("small")).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, copied)

	if len(n.all) != len(want) {
		t.Fatalf("%d notifications; want %d", len(n.all), len(want))
	}
	for i, note := range n.all {
		a := note.Attributes()
		if a["objectId"] != want[i].Name || a["objectGeneration"] != strconv.FormatInt(want[i].Generation, 10) || a["bucketId"] != "store" {
			t.Errorf("attributes = %v; want those of %s", a, want[i].Name)
		}
	}
	if !strings.Contains(string(n.all[0].Resource), `"studioml-state":"final"`) {
		t.Errorf("resource = %s; want its metadata", n.all[0].Resource)
	}
}

func TestObjectMayBeNamedLikeTheFolderOfAnother(t *testing.T) {
	t.Parallel()
	bucket := setup(t, &notes{})
	for _, name := range []string{"experiments/k", "experiments/k/_lease"} {
		write(t, bucket.Object(name).If(storage.Conditions{DoesNotExist: true}).NewWriter(t.Context()), name)
	}
	r, err := bucket.Object("experiments/k").NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || string(got) != "experiments/k" {
		t.Errorf("read %q, %v", got, err)
	}
}
