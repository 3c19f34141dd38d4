package pyenv

import (
	"bytes"
	"io"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
)

const (
	maxLine  = 4096 // bytes; longer lines of a build are cut
	maxTail  = 4096 // bytes of output in an error: Pub/Sub attributes and records hold little more
	maxLines = 400  // kept for the verdict; what uv says about a failure comes last
)

// linking begins the lines by which uv says that it copies instead of making hard links, as it must when the cache's file
// is the executor's. Experimenters can do nothing about it.
const linking = "warning: Failed to hardlink files"

// journal is what a program says: line by line, without passwords, to the log as it comes, and the end of it for the
// verdict. It never fails, since that would end the program.
type journal struct {
	log     io.Writer
	partial []byte
	lines   []string
	linking bool
}

func newJournal(log io.Writer) *journal {
	if log == nil {
		log = io.Discard
	}
	return &journal{log: log}
}

func (j *journal) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		j.partial = append(j.partial, line[:min(len(line), maxLine-len(j.partial))]...)
		if ended {
			j.flush()
		}
		rest = after
	}
	return len(p), nil
}

// flush ends the line.
func (j *journal) flush() {
	line := pyspec.Redact(strings.TrimRight(string(j.partial), "\r"))
	j.partial = j.partial[:0]
	j.linking = strings.HasPrefix(line, linking) || j.linking && strings.HasPrefix(line, "         ")
	if j.linking {
		return
	}
	_, _ = io.WriteString(j.log, line+"\n")
	j.lines = append(j.lines, line)
	if len(j.lines) > maxLines {
		j.lines = append(j.lines[:0], j.lines[maxLines/2:]...)
	}
}

// finish ends the last line where the program did not.
func (j *journal) finish() {
	if len(j.partial) > 0 {
		j.flush()
	}
}

// tail returns the end of what was said, from the first line that tells of an error if that fits.
func (j *journal) tail() string { return tailOf(j.lines) }

func tailOf(lines []string) string {
	for i, line := range lines {
		if text := strings.TrimSpace(line); strings.HasPrefix(text, "error:") || strings.HasPrefix(text, "×") {
			return pyspec.Shorten(strings.TrimSpace(strings.Join(lines[i:], "\n")), maxTail)
		}
	}
	text := strings.Join(lines, "\n")
	return strings.TrimSpace(strings.ToValidUTF8(text[max(0, len(text)-maxTail):], ""))
}

// head keeps the beginning of what is written.
type head struct {
	text  bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.text.Write(p[:min(len(p), h.limit-h.text.Len())])
	return len(p), nil
}
