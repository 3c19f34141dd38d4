package outputtar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
)

func TestTheOutputIsFoundWhereverItLies(t *testing.T) {
	t.Parallel()
	tests := map[string][]file{
		"alone":                   {{name: "output", body: "hello\n"}},
		"as the client writes it": {{name: "./output", body: "hello\n"}},
		"after other files":       {{name: "a", body: strings.Repeat("x", 100_000)}, {name: "dir/output", body: "no"}, {name: "output", body: "hello\n"}},
		"after a long name":       {{name: strings.Repeat("é", 200), body: "x"}, {name: "output", body: "hello\n"}},
		"after an empty file":     {{name: "a"}, {name: "output", body: "hello\n"}},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := archive(t, files...)
			out, err := Open(t.Context(), At(bytes.NewReader(data)), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if got := all(t, out); got != "hello\n" {
				t.Errorf("output = %q, want hello", got)
			}
		})
	}
}

func TestTailIsTheEndOfTheOutput(t *testing.T) {
	t.Parallel()
	data := archive(t, file{name: "output", body: "one\ntwo\nthree\n"}, file{name: "z", body: "after"})
	for n, want := range map[int64]string{0: "", 6: "three\n", 14: "one\ntwo\nthree\n", 1000: "one\ntwo\nthree\n", -1: ""} {
		got, err := Tail(t.Context(), At(bytes.NewReader(data)), int64(len(data)), n)
		if err != nil || string(got) != want {
			t.Errorf("Tail(%d) = %q, %v; want %q", n, got, err, want)
		}
	}
}

func TestRangeGoesOnWhereAFollowerStopped(t *testing.T) {
	t.Parallel()
	data := archive(t, file{name: "output", body: "0123456789"})
	out, err := Open(t.Context(), At(bytes.NewReader(data)), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		off, n int64
		want   string
	}{{0, 4, "0123"}, {4, 100, "456789"}, {10, 5, ""}, {50, 5, ""}, {-3, 2, "01"}} {
		r, err := out.Range(t.Context(), tc.off, tc.n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != tc.want {
			t.Errorf("Range(%d, %d) = %q, %v; want %q", tc.off, tc.n, got, err, tc.want)
		}
	}
}

func TestWhatIsNoArchiveOrHasNoOutputIsTold(t *testing.T) {
	t.Parallel()
	many := make([]file, 2*mostMembers)
	for i := range many {
		many[i] = file{name: fmt.Sprint("file", i)}
	}
	whole := archive(t, file{name: "output", body: strings.Repeat("x", 10_000)})
	tests := map[string]struct {
		data []byte
		want error
	}{
		"an empty archive":     {data: archive(t), want: ErrNoOutput},
		"an empty object":      {data: nil, want: ErrNoOutput},
		"no output":            {data: archive(t, file{name: "other", body: "x"}), want: ErrNoOutput},
		"an endless archive":   {data: archive(t, append(many, file{name: "output"})...), want: ErrNoOutput},
		"a folder of the name": {data: archive(t, file{name: "output/"}), want: ErrNoOutput},
		"text":                 {data: bytes.Repeat([]byte("text "), 1000), want: ErrNotTar},
		"a cut archive":        {data: whole[:5000], want: ErrNotTar},
		"a cut header":         {data: whole[:100], want: ErrNotTar},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Open(t.Context(), At(bytes.NewReader(tc.data)), int64(len(tc.data))); !errors.Is(err, tc.want) {
				t.Errorf("Open = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestAFaultOfTheSourceIsNotTheArchives(t *testing.T) {
	t.Parallel()
	down := errors.New("connection reset")
	_, err := Open(t.Context(), failing{down}, 10_000)
	if !errors.Is(err, down) || errors.Is(err, ErrNotTar) {
		t.Errorf("Open = %v, want %v", err, down)
	}
}

// The cost in bytes and requests is the same for every size: finalize relies on it.
func TestCostDoesNotGrowWithTheArchive(t *testing.T) {
	t.Parallel()
	const tail = 64 << 10
	costs := map[int64]cost{}
	for _, size := range []int64{10 * mebibyte, 10 * gibibyte, 500 * gibibyte} {
		src := &counted{Source: At(synthetic(t, size))}
		got, err := Tail(t.Context(), src, src.length(), tail)
		if err != nil || len(got) != tail {
			t.Fatalf("Tail of %d bytes = %d bytes, %v", size, len(got), err)
		}
		costs[size] = src.cost
	}
	for size, c := range costs {
		if c != costs[10*mebibyte] || c.bytes > tail+4*blockSize {
			t.Errorf("an archive of %d bytes cost %+v, one of 10 MiB %+v", size, c, costs[10*mebibyte])
		}
	}
}

func TestGCSReadsRangesOfOneGeneration(t *testing.T) {
	t.Parallel()
	data := archive(t, file{name: "a", body: strings.Repeat("x", 50_000)}, file{name: "output", body: "first\nlast\n"})
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, InitialObjects: []fakestorage.Object{{
		ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "store", Name: "experiments/e/output.tar"}, Content: data,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	obj := server.Client().Bucket("store").Object("experiments/e/output.tar")
	attrs, err := obj.Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Tail(t.Context(), GCS(obj, attrs.Generation), attrs.Size, 5)
	if err != nil || string(got) != "last\n" {
		t.Errorf("Tail = %q, %v; want last", got, err)
	}
	if _, err := Open(t.Context(), GCS(obj, attrs.Generation+1), attrs.Size); !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("Open of another generation = %v, want %v", err, storage.ErrObjectNotExist)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(archive(f, file{name: "output", body: "hello"}))
	f.Add(archive(f, file{name: "a", body: "x"}, file{name: strings.Repeat("long", 100), body: "y"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := Open(context.Background(), At(bytes.NewReader(data)), int64(len(data)))
		if err != nil {
			return
		}
		if out.Size < 0 || out.offset+out.Size > int64(len(data)) {
			t.Fatalf("output of %d bytes at %d lies outside of %d bytes", out.Size, out.offset, len(data))
		}
	})
}

type file struct{ name, body string }

func archive(tb testing.TB, files ...file) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body)), ModTime: time.Unix(1_600_000_000, 0)}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func all(t *testing.T, out *Output) string {
	t.Helper()
	r, err := out.Range(t.Context(), 0, out.Size)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sparse is an archive of a model and an output, each half of it, of which only the headers exist.
type sparse struct {
	headers map[int64][]byte
	size    int64
}

func synthetic(t *testing.T, size int64) sparse {
	t.Helper()
	half := size / 2
	header := func(name string) []byte {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		// Both sizes in one format, so that the headers are equally long.
		if err := w.WriteHeader(&tar.Header{Name: name, Size: half, Mode: 0o644, Format: tar.FormatGNU}); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	first, second := header("model"), header("output")
	at := int64(len(first)) + half
	return sparse{headers: map[int64][]byte{0: first, at: second}, size: at + int64(len(second)) + half + 1024}
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	n := min(int64(len(p)), s.size-off)
	for at, h := range s.headers {
		for i, c := range h {
			if j := at + int64(i) - off; j >= 0 && j < n {
				p[j] = c
			}
		}
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

type cost struct{ requests, bytes int64 }

type counted struct {
	Source
	cost
}

func (c *counted) length() int64 {
	return c.Source.(readerAt).r.(sparse).size
}

func (c *counted) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	c.requests++
	c.bytes += n
	return c.Source.ReadRange(ctx, off, n)
}

type failing struct{ err error }

func (f failing) ReadRange(context.Context, int64, int64) (io.ReadCloser, error) { return nil, f.err }
