package finalizer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

const (
	metadataName = "/_metadata.tar"
	// maxDocument is what a record holds of a document; larger ones are pointed to.
	maxDocument = 64 << 10
	// maxMetadata is how much of the documents' archive is read. An attempt adds one document.
	maxMetadata = 8 << 20
)

// document returns the newest metadata document of the experiment, nil if there is none or the archive is not the attempt's.
func (f *Finalizer) document(ctx context.Context, log *slog.Logger, key, bucket, attempt string) (json.RawMessage, error) {
	o, err := f.Objects.Stat(ctx, bucket, folder+key+metadataName)
	if errors.Is(err, ErrNotExist) || err == nil && o.Metadata[record.MetaAttempt] != attempt {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := f.Objects.Open(ctx, o)
	if errors.Is(err, ErrNotExist) { // overwritten; the next output comes with it
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, err := newest(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
	}
	if content == nil {
		log.Warn("metadata archive holds no document that can be read")
		return nil, nil
	}
	return bounded(content, o), nil
}

// newest returns the document of the attempt that started last, or the beginning of a larger one than a record holds. What
// is no archive, or cut short, ends the search; the errors are the reader's.
func newest(r io.Reader) ([]byte, error) {
	source := &sticky{r: io.LimitReader(r, maxMetadata)}
	archive := tar.NewReader(source)
	var content []byte
	var best scrape
	for {
		h, err := archive.Next()
		if err != nil {
			return content, source.err
		}
		found, ok := readScrape(h)
		if !ok || found.compare(best) < 0 {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(archive, maxDocument+1))
		if err != nil {
			return content, source.err
		}
		if len(data) > maxDocument || json.Valid(data) {
			content, best = data, found
		}
	}
}

// scrape is what orders the documents of several attempts: `scrape-host-<host>-<base 62 seconds of the attempt's start>.json`,
// whose digits are in ASCII order.
type scrape struct {
	start    string
	modified time.Time
}

func readScrape(h *tar.Header) (scrape, bool) {
	name, json := strings.CutSuffix(path.Base(h.Name), ".json")
	name, host := strings.CutPrefix(name, "scrape-host-")
	return scrape{start: name[strings.LastIndexByte(name, '-')+1:], modified: h.ModTime}, json && host && h.Typeflag == tar.TypeReg
}

func (s scrape) compare(t scrape) int {
	return cmp.Or(cmp.Compare(len(s.start), len(t.start)), cmp.Compare(s.start, t.start), s.modified.Compare(t.modified))
}

// bounded returns the document, or where it is if a record cannot hold it.
func bounded(content []byte, o Object) json.RawMessage {
	if len(content) <= maxDocument {
		return bytes.Clone(content)
	}
	elsewhere, _ := json.Marshal(map[string]any{"truncated": true, "object": "gs://" + o.Bucket + "/" + o.Name}) // strings always encode
	return elsewhere
}

// sticky remembers why its reader failed, so that a failure is told apart from an archive that is damaged.
type sticky struct {
	r   io.Reader
	err error
}

func (s *sticky) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
