package finalizer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

func TestTheNewestDocumentIsRecorded(t *testing.T) {
	t.Parallel()
	large := `{"a":"` + strings.Repeat("x", maxDocument) + `"}`
	tests := map[string]struct {
		files []string
		want  string
	}{
		"one":                   {[]string{"scrape-host-pod-1-1wPKkS.json", `{"a":1.0}`}, `{"a":1.0}`},
		"the latest start":      {[]string{"scrape-host-b-1wPKkT.json", `{"a":2}`, "scrape-host-a-1wPKkS.json", `{"a":1}`, "scrape-host-c-zzz.json", `{"a":0}`}, `{"a":2}`},
		"the latest file":       {[]string{"scrape-host-b-1wPKkT.json", `{"a":1}`, "scrape-host-a-1wPKkT.json", `{"a":2}`}, `{"a":2}`},
		"other files":           {[]string{"a.json", `{"a":2}`, "scrape-host-a-1wPKkT.json", `{"a":1}`, "scrape-host-a-2wPKkT.txt", `{"a":3}`}, `{"a":1}`},
		"one that is no JSON":   {[]string{"scrape-host-a-1wPKkS.json", `{"a":1}`, "scrape-host-a-1wPKkT.json", `{"a":`}, `{"a":1}`},
		"one that is too large": {[]string{"scrape-host-a-1wPKkS.json", large}, `{"object":"gs://` + store + `/experiments/` + key + `/_metadata.tar","truncated":true}`},
		"none":                  {[]string{"a.json", `{}`}, `{"said":1}`},
		"no archive":            {nil, `{"said":1}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			attempt := b.claim()
			content := []byte("hello")
			if tc.files != nil {
				content = archive(t, tc.files...)
			}
			b.put(store, "experiments/"+key+"/_metadata.tar", content, meta(attempt, ""))
			b.upload(attempt, record.StateRunning, "{\"said\": 1}\n")
			b.receive()
			if got := b.document(); got != tc.want {
				t.Errorf("document %.200s; want %s", got, tc.want)
			}
		})
	}
}

func TestADocumentOfAnotherAttemptIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.claim()
	b.put(store, "experiments/"+key+"/_metadata.tar", archive(t, "scrape-host-h-1.json", `{"a":1}`), meta(first, ""))
	b.upload(b.claim(), record.StateRunning, "{\"said\": 1}\n")
	b.receive()
	if got := b.document(); got != `{"said":1}` {
		t.Errorf("document %s", got)
	}
}

func TestNewestReadsABoundedPart(t *testing.T) {
	t.Parallel()
	files := []string{"scrape-host-h-1.json", `{"a":1}`, "filler", strings.Repeat("x", maxMetadata), "scrape-host-h-2.json", `{"a":2}`}
	source := bytes.NewReader(archive(t, files...))
	got, err := newest(source)
	if err != nil || string(got) != `{"a":1}` || source.Size()-int64(source.Len()) > maxMetadata {
		t.Errorf("newest = %s, %v after %d bytes", got, err, source.Size()-int64(source.Len()))
	}
}

func TestNewestTellsAFailedReadFromADamagedArchive(t *testing.T) {
	t.Parallel()
	whole := archive(t, "scrape-host-h-1.json", `{"a":1}`, "scrape-host-h-2.json", `{"a":2}`)
	cut := io.LimitReader(bytes.NewReader(whole), 1100)
	if got, err := newest(cut); err != nil || string(got) != `{"a":1}` {
		t.Errorf("of a damaged archive: %s, %v", got, err)
	}
	cut = io.MultiReader(bytes.NewReader(whole[:1100]), iotest.ErrReader(errDown))
	if _, err := newest(cut); !errors.Is(err, errDown) {
		t.Errorf("of a failed read: %v", err)
	}
}

func TestDirectivesAddUp(t *testing.T) {
	t.Parallel()
	d := readDirectives([]byte(`cut off"}
hello {"a": 1}
{"a": {"b": 1, "c": [1]}, "n": 1.10}
[{"op": "add", "path": "/x", "value": 1}]
{"a": {"b": null, "d": "<&>"}} trailing
  {"a": {"b": null, "d": "<&>"}}  `+"\r\n{\"a\": 1\n{}{}\n"), false)
	got, err := d.document(Object{})
	if want := `{"a":{"c":[1],"d":"<&>"},"n":1.10}`; err != nil || !reflect.DeepEqual(object(string(got)), object(want)) || !bytes.Contains(got, []byte("1.10")) {
		t.Errorf("document %s, %v; want %s", got, err, want)
	}
	if got, err := (directives{}).document(Object{}); got != nil || err != nil {
		t.Errorf("document of nothing: %s, %v", got, err)
	}
}

// Whatever the size of the archive, the same few bytes of it are read.
func TestCostDoesNotGrowWithTheOutput(t *testing.T) {
	t.Parallel()
	var read []int64
	for _, megabytes := range []int{1, 32} {
		b := setup(t)
		attempt := b.claim()
		b.upload(attempt, record.StateFinal, strings.Repeat(strings.Repeat("x", 1023)+"\n", megabytes<<10)+"{\"a\": 1}\n")
		b.wire.bytes.Store(0)
		b.receive()
		if b.document() != `{"a":1}` {
			t.Errorf("document %s", b.document())
		}
		read = append(read, b.wire.bytes.Load())
	}
	if read[1] > read[0]+1024 || read[1] > 2*tailSize {
		t.Error(fmt.Sprint("bytes read: ", read))
	}
}
