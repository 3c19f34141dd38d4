package artifact

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"testing"
	"time"
)

// memoryStore is a store of one object.
type memoryStore struct {
	data []byte
	size int64 // what it says; -1 with no data: nothing there
	cut  int   // after so many bytes the download breaks; 0: never
	err  error // what it breaks with
	puts []Put
}

func stored(data []byte) *memoryStore { return &memoryStore{data: data, size: int64(len(data))} }

func (s *memoryStore) Open(context.Context, Object) (io.ReadCloser, Info, error) {
	if s.data == nil {
		return nil, Info{}, ErrNotExist
	}
	var r io.Reader = bytes.NewReader(s.data)
	if s.cut > 0 {
		r = io.MultiReader(bytes.NewReader(s.data[:s.cut]), faulty{s.err})
	}
	return io.NopCloser(r), Info{Size: s.size, Updated: then}, nil
}

func (s *memoryStore) Attrs(context.Context, Object) (Info, error) {
	if s.data == nil {
		return Info{}, ErrNotExist
	}
	return Info{Size: s.size}, nil
}

func (s *memoryStore) Put(_ context.Context, _ Object, p Put, write func(io.Writer) error) (Info, error) {
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return Info{}, err
	}
	s.data, s.size, s.puts = buf.Bytes(), int64(buf.Len()), append(s.puts, p)
	return Info{Size: s.size}, nil
}

type faulty struct{ err error }

func (f faulty) Read([]byte) (int, error) { return 0, f.err }

// then is when files of tests were changed.
var then = time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)

var workspace = Object{Scheme: "gs", Bucket: "store", Key: "blobstore/workspace.tar"}

// tarOf makes an archive; a header without a mode gets one, without a size its body's.
func tarOf(tb testing.TB, members ...tar.Header) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range members {
		var body string
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			body, h.Linkname = h.Linkname, ""
			h.Size = int64(len(body))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.ModTime.IsZero() {
			h.ModTime = then
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// regular is a file of a [tarOf]; its body travels as the link's name.
func regular(name, body string) tar.Header { return tar.Header{Name: name, Linkname: body} }
func folder(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}
}
func symlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
}
func hardlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}
