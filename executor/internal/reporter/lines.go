package reporter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

const (
	// maxLine is the longest line that is reported whole where it is JSON: as long as a directive may be.
	maxLine = 1 << 20
	// maxText is how many bytes of any other line are reported.
	maxText = 8 << 10
)

// lines cuts output into lines. Of a line that carriage returns write anew, as progress bars do, the last state counts.
type lines struct {
	hand    func(line []byte, lost int) // lost: bytes that the line had beyond maxLine
	partial []byte
	lost    int
	anew    bool // what comes next in this line begins it anew
}

func (l *lines) write(p []byte) {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.keep(p)
			return
		}
		if len(l.partial) == 0 && l.lost == 0 {
			l.give(p[:end])
		} else {
			l.keep(p[:end])
			l.flush()
		}
		p = p[end+1:]
	}
}

// flush hands over a line whose end has not come, if there is one.
func (l *lines) flush() {
	if len(l.partial) > 0 || l.lost > 0 {
		l.give(l.partial)
	}
	l.begin()
}

func (l *lines) begin() { l.partial, l.lost, l.anew = l.partial[:0], 0, false }

func (l *lines) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	if at := rewritten(p); at >= 0 {
		l.begin()
		p = p[at:]
	} else if l.anew && len(bytes.TrimRight(p, "\r")) > 0 {
		l.begin()
	}
	l.anew = p[len(p)-1] == '\r'
	room := min(len(p), maxLine-len(l.partial))
	l.partial = append(l.partial, p[:room]...)
	l.lost += len(p) - room
}

func (l *lines) give(line []byte) {
	lost := l.lost + max(0, len(line)-maxLine)
	line = bytes.TrimRight(line[:min(len(line), maxLine)], "\r")
	if at := rewritten(line); at >= 0 {
		line = line[at:]
	}
	l.hand(line, lost)
}

// rewritten returns where the last state of a rewritten line begins, -1 in a line that is not. A carriage return at the end may
// belong to the line's.
func rewritten(line []byte) int {
	end := len(line)
	for end > 0 && line[end-1] == '\r' {
		end--
	}
	if at := bytes.LastIndexByte(line[:end], '\r'); at >= 0 {
		return at + 1
	}
	return -1
}

// isJSON tells whether a line is one JSON object or array.
func isJSON(line []byte) bool {
	line = bytes.TrimSpace(line)
	if len(line) < 2 || (line[0] != '{' || line[len(line)-1] != '}') && (line[0] != '[' || line[len(line)-1] != ']') {
		return false
	}
	return utf8.Valid(line) && json.Valid(line)
}

// text is a line as it is reported: valid UTF-8 of bounded length.
func text(line []byte, lost int) string {
	if len(line) <= maxText && lost == 0 {
		return string(bytes.ToValidUTF8(line, []byte("\uFFFD")))
	}
	end := min(len(line), maxText)
	for back := 0; back < utf8.UTFMax && end > 0 && end < len(line) && !utf8.RuneStart(line[end]); back++ {
		end--
	}
	return fmt.Sprintf("%s … (%d more bytes are in the output)", bytes.ToValidUTF8(line[:end], []byte("\uFFFD")), len(line)-end+lost)
}
