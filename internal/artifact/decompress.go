package artifact

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"path"
	"strings"
)

// isArchive goes by the extension, as clients do. The Python client can be told to name its archives .tar.gz, .tar.xz and
// others; it compresses none of them.
func isArchive(key string) bool {
	switch ext := path.Ext(key); ext {
	case ".tar", ".tgz":
		return true
	case ".gz", ".bz2", ".xz", ".lzma", ".lzop":
		return path.Ext(strings.TrimSuffix(key, ext)) == ".tar"
	}
	return false
}

// decompress goes by the first bytes, not by the extension: see [isArchive].
func decompress(r *bufio.Reader) (io.Reader, error) {
	start, _ := r.Peek(sniffed) // a short object or a broken download shows up when it is read
	switch {
	case len(start) == 0:
		return nil, bad(NotATar, "it is empty: upload it again as a tar archive")
	case bytes.HasPrefix(start, []byte(gzipMagic)):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err // not z, which would be no nil interface
		}
		return z, nil
	case bytes.HasPrefix(start, []byte(bzip2Magic)):
		return bzip2.NewReader(r), nil
	}
	return r, nil
}

const (
	sniffed    = 6
	gzipMagic  = "\x1f\x8b" // RFC 1952, section 2.3.1
	bzip2Magic = "BZh"

	compressed = "a compressed file of something else"
)

// kindOf names what was uploaded in a tar's stead, for people who know what they uploaded.
func kindOf(start []byte) string {
	switch {
	case bytes.HasPrefix(start, []byte(gzipMagic)), bytes.HasPrefix(start, []byte(bzip2Magic)):
		return compressed
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return "a zip file"
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return "compressed by xz"
	case bytes.HasPrefix(start, []byte("\x28\xb5\x2f\xfd")):
		return "compressed by zstd"
	case bytes.HasPrefix(start, []byte("<")):
		return "XML or HTML (perhaps an error page)"
	case bytes.HasPrefix(start, []byte("{")):
		return "JSON"
	}
	return "something else"
}
