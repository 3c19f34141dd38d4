package reporter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// However output is cut into writes, the lines are the same.
func TestOutputIsCutIntoLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		output string
		want   []string
	}{
		"lines":                       {"a\nbc\n", []string{"a", "bc"}},
		"empty lines":                 {"\n\na\n\n", []string{"", "", "a", ""}},
		"the last has no end":         {"a\nb", []string{"a", "b"}},
		"line ends of Windows":        {"a\r\nb\r\n", []string{"a", "b"}},
		"a progress bar":              {"10%\r20%\r30%\nnext\n", []string{"30%", "next"}},
		"a progress bar of Windows":   {"10%\r20%\r\n", []string{"20%"}},
		"a progress bar without end":  {"10%\r20%\r", []string{"20%"}},
		"return signs alone":          {"\r\r\n", []string{""}},
		"a rewritten line with marks": {"\r 10%\r\r 20%\n", []string{" 20%"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(tc.output); size++ {
				var got []string
				l := lines{hand: func(line []byte, _ int) { got = append(got, string(line)) }}
				for chunk := range slices.Chunk([]byte(tc.output), size) {
					l.write(chunk)
				}
				l.flush()
				l.flush() // there is nothing left
				if !slices.Equal(got, tc.want) {
					t.Errorf("in writes of %d: %q; want %q", size, got, tc.want)
				}
			}
		})
	}
}

func TestALineOfAnyLengthTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	var size, lost int
	l := lines{hand: func(line []byte, more int) { size, lost = len(line), more }}
	for range 64 {
		l.write(make([]byte, maxLine/16))
	}
	if cap(l.partial) > 4*maxLine {
		t.Errorf("%d bytes are kept of a line", cap(l.partial))
	}
	l.write([]byte("\n"))
	if size != maxLine || lost != 3*maxLine {
		t.Errorf("the line has %d bytes and %d more; want %d and %d", size, lost, maxLine, 3*maxLine)
	}
	for range 64 { // a progress bar that never ends
		l.write([]byte(strings.Repeat("x", maxLine/16) + "\r"))
	}
	if l.write([]byte("\n")); size != maxLine/16 || lost != 0 {
		t.Errorf("the line has %d bytes and %d more; want the last state", size, lost)
	}
}

func TestTextIsValidAndBounded(t *testing.T) {
	t.Parallel()
	if got := text([]byte("ok \xff\xfe é"), 0); got != "ok \uFFFD é" {
		t.Errorf("text = %q", got)
	}
	for offset := range 4 { // the cut falls on each byte of a rune
		line := []byte(strings.Repeat("x", offset) + strings.Repeat("🙂", maxText))
		got := text(line, 10)
		kept, _, _ := strings.Cut(got, " … (")
		want := fmt.Sprintf("(%d more bytes are in the output)", len(line)-len(kept)+10)
		if !utf8.ValidString(got) || len(kept) > maxText || len(kept) < maxText-3 || !strings.HasSuffix(got, want) || strings.Contains(kept, "\uFFFD") {
			t.Errorf("text of %d bytes = …%q; want %s", len(line), got[len(got)-60:], want)
		}
	}
	if got := text([]byte(strings.Repeat("\x80", 2*maxText)), 0); !utf8.ValidString(got) || len(got) > maxText {
		t.Errorf("text of no characters has %d bytes", len(got))
	}
}

func TestAJSONLineIsOneObjectOrArray(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`{"a": 1}`: true, ` [1, 2] `: true, `{}`: true, `[INFO] done [ok]`: false, `{"a": 1} {}`: false, `{"a": 1`: false, `"text"`: false,
		`1`: false, ``: false, `{`: false, "{\"a\": \"\xff\"}": false, `[{]}`: false,
	} {
		if got := isJSON([]byte(line)); got != want {
			t.Errorf("isJSON(%q) = %v", line, got)
		}
	}
}
