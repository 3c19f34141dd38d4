package finalizer

import (
	"bytes"
	"encoding/json"
	"io"
)

// directives is what the lines of an output that are JSON objects add up to. JSON Patches are left out: they apply to the
// document from its beginning, of which a tail may know nothing.
type directives struct {
	merged  map[string]any
	stopped bool // the last start or stop that an executor wrote is a stop
}

// readDirectives reads the end of an output, whose first line is incomplete unless it is the whole.
func readDirectives(tail []byte, whole bool) (d directives) {
	if !whole {
		_, tail, _ = bytes.Cut(tail, []byte("\n"))
	}
	for line := range bytes.Lines(tail) {
		if line = bytes.TrimSpace(line); len(line) > 1 && line[0] == '{' && line[len(line)-1] == '}' {
			d.add(line)
		}
	}
	return d
}

func (d *directives) add(line []byte) {
	lines := json.NewDecoder(bytes.NewReader(line))
	lines.UseNumber() // digits stay as the program printed them
	var said map[string]any
	if lines.Decode(&said) != nil {
		return
	}
	if _, err := lines.Token(); err != io.EOF {
		return
	}
	if d.merged == nil {
		d.merged = map[string]any{}
	}
	merge(d.merged, said)
	if ours, ok := said["studioml"].(map[string]any); ok {
		_, started := ours["start_time"].(string)
		_, stopped := ours["stop_time"].(string)
		d.stopped = stopped || d.stopped && !started
	}
}

// merge applies a JSON merge patch (RFC 7386).
func merge(into, patch map[string]any) {
	for name, value := range patch {
		object, ok := value.(map[string]any)
		switch {
		case value == nil:
			delete(into, name)
		case ok:
			old, _ := into[name].(map[string]any)
			if old == nil {
				old = map[string]any{}
				into[name] = old
			}
			merge(old, object)
		default:
			into[name] = value
		}
	}
}

// document returns what the directives add up to, nil if there are none.
func (d directives) document(o Object) (json.RawMessage, error) {
	if len(d.merged) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d.merged); err != nil {
		return nil, err
	}
	return bounded(bytes.TrimSpace(b.Bytes()), o), nil
}
