package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

const (
	// MaxDocument is the size in bytes that directives may grow the document to.
	MaxDocument = 1 << 20
	// MaxLine is the longest line in bytes that is read as a directive.
	MaxLine = 1 << 20

	maxDepth = 64 // objects and arrays in each other, the document included
	// maxWork bounds what one directive may make us walk through, in bytes of JSON: a patch may name one large value many
	// times. No honest patch comes near it, since its own values and what they replace are at most MaxLine and MaxDocument.
	maxWork = 8 * MaxDocument
	// maxOperations bounds a patch. Each costs at least a walk along its path.
	maxOperations = 1000
)

// reserved is the member of the document that belongs to the executor.
const reserved = "studioml"

// Document is an experiment's metadata. Its methods may be called from several goroutines.
type Document struct {
	mu      sync.Mutex
	root    []any // one element, an object
	size    int   // of the JSON, at most a few bytes too high
	skipped int
}

// New returns the document of an attempt whose program has not started.
func New(i Initial) *Document { return begin(i.document()) }

// begin takes a tree as decode makes them.
func begin(root map[string]any) *Document {
	d := &Document{root: []any{root}}
	d.size, _ = measure(root)
	return d
}

// Line reads a line of the program's output and applies it if it is a directive. Of a directive that does not apply nothing
// is kept; it is counted. A line that is no directive changes nothing. The line is not kept.
func (d *Document) Line(line []byte) (applied bool) {
	directive, ok := parse(line)
	if !ok {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := edit{root: d.root}
	if err := e.apply(directive); err != nil || e.growth > 0 && d.size+e.growth > MaxDocument {
		e.rollBack()
		d.skipped++
		return false
	}
	d.size += e.growth
	return true
}

// parse returns the one JSON object or array that a line is.
func parse(line []byte) (directive any, ok bool) {
	line = bytes.Trim(line, " \t\r\n")
	if len(line) == 0 || len(line) > MaxLine || (line[0] != '{' && line[0] != '[') || !utf8.Valid(line) {
		return nil, false
	}
	directive, err := decode(line)
	return directive, err == nil
}

// decode reads one JSON value with its numbers as they are written.
func decode(text []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// normal returns v as decode would have made it, sharing nothing.
func normal(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// Set puts the executor's own value at a path of member names, whatever is there and however large the document is. It makes
// the objects on the way. The error is that path is empty or that JSON cannot express value.
func (d *Document) Set(value any, path ...string) error {
	if len(path) == 0 {
		return errors.New("set metadata: no path")
	}
	value, err := normal(value)
	if err != nil {
		return fmt.Errorf("set metadata %q: %w", path, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := edit{root: d.root}
	s := slot{array: d.root}
	for _, name := range path {
		at, _ := s.get()
		object, ok := at.(map[string]any)
		if !ok {
			object = map[string]any{}
			e.set(s, object)
		}
		s = slot{object: object, key: name}
	}
	e.set(s, value)
	d.size += e.growth
	return nil
}

// JSON returns the document as it is now.
func (d *Document) JSON() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d.root[0]) // it came from JSON
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// Skipped returns how many directives did not apply.
func (d *Document) Skipped() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.skipped
}
