package artifact

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mostMemory is half of what the executor may use at its peak.
const mostMemory = 64 << 20

//nolint:paralleltest // it measures the heap of the whole process
func TestMemoryDoesNotGrowWithTheArtifact(t *testing.T) {
	server := newStreaming(t, streamed)
	s, o := server.open(t)

	fetched := filepath.Join(t.TempDir(), "fetched")
	before := heap()
	if _, err := Fetch(t.Context(), s, o, fetched, unpacked); err != nil {
		t.Fatal(err)
	}
	if got := stat(t, fetched, "model").Size(); got != streamed {
		t.Errorf("fetched %d bytes, want %d", got, streamed)
	}
	server.check(t, "Fetch", before)

	dir := t.TempDir()
	write(t, dir, "model", "", 0o644)
	must(t, os.Truncate(filepath.Join(dir, "model"), streamed))
	before = heap()
	info, err := Upload(t.Context(), s, o, dir, Put{IfGeneration: new(int64)})
	if err != nil {
		t.Fatal(err)
	}
	if info.Size < streamed {
		t.Errorf("uploaded %d bytes, want %d and the headers", info.Size, streamed)
	}
	server.check(t, "Upload", before)
}

func BenchmarkFetch(b *testing.B) {
	server := newStreaming(b, streamed)
	s, o := server.open(b)
	b.SetBytes(streamed)
	for i := range b.N {
		if _, err := Fetch(b.Context(), s, o, filepath.Join(b.TempDir(), strconv.Itoa(i)), unpacked); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	server := newStreaming(b, streamed)
	s, o := server.open(b)
	dir := b.TempDir()
	f, err := os.Create(filepath.Join(dir, "model"))
	if err := errors.Join(err, f.Truncate(streamed), f.Close()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(streamed)
	for b.Loop() {
		if _, err := Upload(b.Context(), s, o, dir, Put{}); err != nil {
			b.Fatal(err)
		}
	}
}

// streaming speaks as much of Cloud Storage as a large download and a resumable upload need, holds nothing, and looks at
// the process's heap meanwhile.
type streaming struct {
	*httptest.Server
	size     int64 // of the file in the archive that it serves
	received int64
	peak     uint64
}

func newStreaming(tb testing.TB, size int64) *streaming {
	tb.Helper()
	s := &streaming{size: size}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /store/model.tar", s.download)
	mux.HandleFunc("POST /upload/storage/v1/b/store/o", s.begin)
	mux.HandleFunc("POST /session", s.chunk)
	s.Server = httptest.NewServer(mux)
	tb.Cleanup(s.Close)
	return s
}

func (s *streaming) open(tb testing.TB) (Store, Object) {
	tb.Helper()
	return &gcs{client: newClient(tb, s.URL), stall: time.Minute}, Object{Scheme: "gs", Bucket: "store", Key: "model.tar"}
}

func (s *streaming) download(w http.ResponseWriter, _ *http.Request) {
	var head bytes.Buffer
	h := &tar.Header{Name: "model", Mode: 0o644, Size: s.size, ModTime: then}
	if err := tar.NewWriter(&head).WriteHeader(h); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Length", strconv.FormatInt(int64(head.Len())+s.size+1024, 10))
	w.Header().Set("X-Goog-Generation", "1")
	_, _ = head.WriteTo(w)
	zeros := make([]byte, 1<<20)
	for left := s.size + 1024; left > 0; {
		n, err := w.Write(zeros[:min(left, int64(len(zeros)))])
		if err != nil {
			return
		}
		left -= int64(n)
		s.look(left)
	}
}

func (s *streaming) begin(w http.ResponseWriter, r *http.Request) {
	s.received = 0
	if r.URL.Query().Get("uploadType") != "resumable" {
		http.Error(w, "only resumable", http.StatusBadRequest)
		return
	}
	w.Header().Set("Location", s.URL+"/session")
}

func (s *streaming) chunk(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	s.received += n
	s.look(s.received)
	if strings.HasSuffix(r.Header.Get("Content-Range"), "/*") {
		w.Header().Set("X-Http-Status-Code-Override", "308")
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", s.received-1))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"bucket": "store", "name": "model.tar", "generation": "2", "size": strconv.FormatInt(s.received, 10)})
}

// look takes the peak of the heap every 16 MiB.
func (s *streaming) look(at int64) {
	if at%(16<<20) < 1<<20 {
		s.peak = max(s.peak, heap())
	}
}

func (s *streaming) check(t *testing.T, act string, before uint64) {
	t.Helper()
	if s.peak == 0 || s.peak > before+mostMemory {
		t.Errorf("%s of %d bytes took the heap from %d to %d bytes", act, streamed, before, s.peak)
	}
	t.Logf("%s: heap from %d to %d KiB", act, before>>10, s.peak>>10)
	s.peak = 0
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
