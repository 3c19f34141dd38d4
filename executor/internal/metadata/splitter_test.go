package metadata

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// split writes text in pieces of n bytes and returns the lines.
func split(text string, n int) (lines []string) {
	s := NewSplitter(func(line []byte) { lines = append(lines, string(line)) })
	for piece := range slices.Chunk([]byte(text), n) {
		_, _ = s.Write(piece)
	}
	_ = s.Close()
	return lines
}

func TestLinesDoNotDependOnHowTheyAreWritten(t *testing.T) {
	t.Parallel()
	const text = "one\n\ntwo\r\n{\"a\": 1}\nünfinished\rstill"
	want := []string{"one", "", "two", `{"a": 1}`, "ünfinished\rstill"}
	for n := 1; n <= len(text); n++ {
		if got := split(text, n); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, want %q", n, got, want)
		}
	}
	if got := split("end\n", 2); !slices.Equal(got, []string{"end"}) {
		t.Errorf("a line end makes another line: %q", got)
	}
}

func TestLongLinesAreLeftOutAndNotKept(t *testing.T) {
	t.Parallel()
	fits, long := strings.Repeat("f", MaxLine), strings.Repeat("l", MaxLine+1)
	for _, n := range []int{1 << 12, 1 << 24} {
		got := split(long+"\n"+fits+"\nshort\n"+long, n)
		if !slices.Equal(got, []string{fits, "short"}) {
			t.Errorf("in pieces of %d: %d lines", n, len(got))
		}
	}
	s := NewSplitter(func([]byte) { t.Error("a line that never ends was handed over") })
	endless := bytes.Repeat([]byte("x"), 64<<10)
	for range 1000 {
		_, _ = s.Write(endless)
	}
	if cap(s.partial) > 2*MaxLine {
		t.Errorf("the splitter holds %d bytes", cap(s.partial))
	}
}
