package metadata

import "bytes"

// Splitter cuts what is written to it into lines and hands each to a function, without its end. Lines longer than MaxLine
// are left out: they are no directives. It is not for several goroutines at once.
type Splitter struct {
	line    func([]byte)
	partial []byte // the beginning of a line whose end has not come
	long    bool   // the rest of that line is left out
}

// NewSplitter returns a splitter that calls line. The slice is line's only until it returns.
func NewSplitter(line func([]byte)) *Splitter { return &Splitter{line: line} }

// Write never fails.
func (s *Splitter) Write(p []byte) (int, error) {
	written := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.keep(p)
			return written, nil
		}
		if len(s.partial) == 0 && !s.long {
			s.hand(p[:end])
		} else {
			s.keep(p[:end])
			s.flush()
		}
		p = p[end+1:]
	}
}

// Close hands over a last line that has no end. It never fails.
func (s *Splitter) Close() error {
	if len(s.partial) > 0 {
		s.flush()
	}
	return nil
}

func (s *Splitter) keep(p []byte) {
	if s.long || len(s.partial)+len(p) > MaxLine {
		s.long, s.partial = true, s.partial[:0]
		return
	}
	s.partial = append(s.partial, p...)
}

func (s *Splitter) flush() {
	if !s.long {
		s.hand(s.partial)
	}
	s.long, s.partial = false, s.partial[:0]
}

func (s *Splitter) hand(line []byte) {
	if len(line) <= MaxLine {
		s.line(bytes.TrimSuffix(line, []byte("\r")))
	}
}
