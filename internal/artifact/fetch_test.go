package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var unpacked = Limits{Unpack: true}

func TestFetchKeepsWhatAnArchiveHolds(t *testing.T) {
	t.Parallel()
	data := tarOf(t,
		folder("./"),
		tar.Header{Name: "./run.sh", Linkname: "#!/bin/sh\n", Mode: 0o755},
		regular("données/模型.bin", "weights"),
		tar.Header{Name: "empty/", Typeflag: tar.TypeDir, Mode: 0o700},
		symlink("latest", "données/模型.bin"),
		symlink("données/up", "../run.sh"),
		hardlink("same", "run.sh"),
		regular(strings.Repeat("deep/", 30)+"file", "x"),
		regular("twice", "first"),
		regular("twice", "second"),
	)
	dir := filepath.Join(t.TempDir(), "workspace")
	info, err := Fetch(t.Context(), stored(data), workspace, dir, unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != int64(len(data)) {
		t.Errorf("size = %d, want %d", info.Size, len(data))
	}
	for name, want := range map[string]string{
		"run.sh": "#!/bin/sh\n", "same": "#!/bin/sh\n", "données/模型.bin": "weights", "latest": "weights",
		"données/up": "#!/bin/sh\n", strings.Repeat("deep/", 30) + "file": "x", "twice": "second",
	} {
		if got := read(t, dir, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if got := stat(t, dir, "run.sh"); got.Mode() != 0o755 || !got.ModTime().Equal(then) {
		t.Errorf("run.sh has mode %v, time %v", got.Mode(), got.ModTime())
	}
	if got := stat(t, dir, "empty"); got.Mode() != fs.ModeDir|0o700 || !got.ModTime().Equal(then) {
		t.Errorf("empty has mode %v, time %v", got.Mode(), got.ModTime())
	}
	if !os.SameFile(stat(t, dir, "run.sh"), stat(t, dir, "same")) {
		t.Error("same is no longer a hard link to run.sh")
	}
}

func TestFetchGoesByTheFirstBytesForCompression(t *testing.T) {
	t.Parallel()
	plain := tarOf(t, regular("a", "content"))
	tests := map[string]struct {
		key  string
		data []byte
	}{
		"tar":                            {"x.tar", plain},
		"gzip":                           {"x.tar.gz", gzipped(t, plain)},
		"tgz":                            {"x.tgz", gzipped(t, plain)},
		"bzip2":                          {"x.tar.bz2", bzipped(t)},
		"the Python client's tar.gz":     {"blobstore/x.tar.gz", plain},
		"the Python client's tar.xz":     {"blobstore/x.tar.xz", plain},
		"gzip under the plain extension": {"x.tar", gzipped(t, plain)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := Fetch(t.Context(), stored(tc.data), Object{Bucket: "b", Key: tc.key}, dir, unpacked); err != nil {
				t.Fatal(err)
			}
			if got := read(t, dir, "a"); got != "content" {
				t.Errorf("a holds %q", got)
			}
		})
	}
}

func TestWhatIsNotToBeUnpackedIsOneFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		key    string
		unpack bool
		file   string
	}{
		"another extension":       {"data/model.h5", true, "model.h5"},
		"unpack is false":         {"data/set.tar", false, "set.tar"},
		"a checksum of a tar":     {"set.tar.sha256", true, "set.tar.sha256"},
		"compressed, no tar":      {"table.csv.gz", true, "table.csv.gz"},
		"a name like an archives": {"tar", true, "tar"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := Fetch(t.Context(), stored([]byte("bytes")), Object{Bucket: "b", Key: tc.key}, dir, Limits{Unpack: tc.unpack}); err != nil {
				t.Fatal(err)
			}
			if got := read(t, dir, tc.file); got != "bytes" {
				t.Errorf("%s holds %q", tc.file, got)
			}
			if got := stat(t, dir, tc.file).ModTime(); !got.Equal(then) {
				t.Errorf("%s has time %v, want the object's", tc.file, got)
			}
		})
	}
}

func TestDigestIsOfTheObjectAsStored(t *testing.T) {
	t.Parallel()
	data := append(tarOf(t, regular("a", "x")), make([]byte, 9000)...) // tar pads its archives
	sum := sha256.Sum256(data)
	right := hex.EncodeToString(sum[:])
	if _, err := Fetch(t.Context(), stored(data), workspace, t.TempDir(), Limits{Unpack: true, Digest: right}); err != nil {
		t.Errorf("Fetch with the right digest: %v", err)
	}
	_, err := Fetch(t.Context(), stored(data), workspace, t.TempDir(), Limits{Unpack: true, Digest: strings.Repeat("0", 64)})
	if reasonOf(err) != WrongDigest {
		t.Errorf("Fetch with another digest = %v", err)
	}
	for key, want := range map[string]string{
		"blobstore/" + right + ".tar": right, "blobstore/" + right + ".tar.gz": right, "blobstore/abc.tar": "",
		"experiments/" + right + ".tar": "", "blobstore/" + right: "",
	} {
		if got := DigestOf(key); got != want {
			t.Errorf("DigestOf(%s) = %q, want %q", key, got, want)
		}
	}
}

func TestAFaultOfTheDownloadIsNotTheArchives(t *testing.T) {
	t.Parallel()
	down := errors.New("connection reset by peer")
	data := tarOf(t, regular("a", strings.Repeat("x", 5000)), regular("b", "y"))
	for name, store := range map[string]*memoryStore{
		"in a member":        {data: data, size: int64(len(data)), cut: 700, err: down},
		"in a header":        {data: data, size: int64(len(data)), cut: 100, err: down},
		"after all members":  {data: data, size: int64(len(data)), cut: len(data) - 10, err: down},
		"ended short":        {data: data[:700], size: int64(len(data))},
		"ended short at all": {data: data[:0], size: int64(len(data))},
		"of a compressed one": {
			data: gzipped(t, data), size: 1 << 20, cut: 40, err: down,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Fetch(t.Context(), store, workspace, t.TempDir(), unpacked)
			var fault *UnpackError
			if err == nil || errors.As(err, &fault) {
				t.Fatalf("Fetch = %v, want an error that may be retried", err)
			}
			if store.err != nil && !errors.Is(err, down) {
				t.Errorf("Fetch = %v, want %v in it", err, down)
			}
		})
	}
}

func TestFetchAgainReplacesWhatABrokenOneLeft(t *testing.T) {
	t.Parallel()
	data := tarOf(t, regular("d/a", strings.Repeat("x", 5000)), symlink("l", "d/a"), hardlink("h", "d/a"), folder("d/e"))
	dir := t.TempDir()
	broken := &memoryStore{data: data, size: int64(len(data)), cut: len(data) - 600, err: io.ErrUnexpectedEOF}
	if _, err := Fetch(t.Context(), broken, workspace, dir, unpacked); err == nil {
		t.Fatal("the broken download was taken for a whole one")
	}
	if _, err := Fetch(t.Context(), stored(data), workspace, dir, unpacked); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "h"); len(got) != 5000 {
		t.Errorf("h holds %d bytes, want 5000", len(got))
	}
}

func TestAnAbsentObjectIsTold(t *testing.T) {
	t.Parallel()
	if _, err := Fetch(t.Context(), &memoryStore{}, workspace, t.TempDir(), unpacked); !errors.Is(err, ErrNotExist) {
		t.Errorf("Fetch = %v, want %v", err, ErrNotExist)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	drained := errors.New("drained")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(drained)
	if _, err := Fetch(ctx, stored(tarOf(t, regular("a", "x"))), workspace, t.TempDir(), unpacked); !errors.Is(err, drained) {
		t.Errorf("Fetch = %v, want %v", err, drained)
	}
}

func TestEverythingBelongsToTheExperiment(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	data := tarOf(t, regular("made/on/the/way", "x"), folder("d"), symlink("l", "d"), tar.Header{
		Name: "setuid", Linkname: "x", Mode: 0o6755, Uid: 0,
	})
	dir := filepath.Join(t.TempDir(), "workspace")
	limits := Limits{Unpack: true, UID: 12345, GID: 12346}
	if _, err := Fetch(t.Context(), stored(data), workspace, dir, limits); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "made", "made/on", "made/on/the", "made/on/the/way", "d", "l", "setuid"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if sys := info.Sys().(*syscall.Stat_t); sys.Uid != 12345 || sys.Gid != 12346 {
			t.Errorf("%s belongs to %d:%d", name, sys.Uid, sys.Gid)
		}
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func stat(t *testing.T, dir, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// tarBzip2 holds a file "a" with "content": the standard library does not compress by bzip2.
const tarBzip2 = "QlpoOTFBWSZTWbvLA8wAAGz7gMmAAAhAAGeAAADqAZ4ACAggAFRBAAAaGgipqBoNNAB9WZCIeWoiad0mVzxwQSQSKQMSE2hLrxElAy5BiyEfeGnkJJiIgHxdyRThQkLvLA8w"

func bzipped(t *testing.T) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(tarBzip2)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func reasonOf(err error) Reason {
	var fault *UnpackError
	if errors.As(err, &fault) {
		return fault.Reason
	}
	return ""
}
