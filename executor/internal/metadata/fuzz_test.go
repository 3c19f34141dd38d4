package metadata

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzLine(f *testing.F) {
	const initial = `{"a":{"b":[1,[2,3],{"c":"x"}]},"studioml":{"host":"h","log":[{"msg":"first"}],"artifacts":{"output":"o"}}}`
	for _, seed := range []string{
		`{"a":{"b":null},"studioml":{"new":[1]}}`,
		`{"studioml":{"host":"x"}}`,
		`[{"op":"add","path":"/studioml/log/-","value":{"msg":"second"}},{"op":"remove","path":"/a/b/0"}]`,
		`[{"op":"copy","from":"","path":"/a/b/1/0"}]` + "\n" + `[{"op":"move","from":"/a","path":"/studioml/a"}]`,
		`[{"op":"replace","path":"","value":{}}]`,
		`[{"op":"test","path":"/a/b/0","value":1e0},{"op":"move","from":"/a/b/1","path":"/a/b/0"},{"op":"add","path":"/a/b/-","value":"\u2028<"}]`,
		"text\n[\n{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := document(t, initial)
		ours := clone(d.root[0].(map[string]any)[reserved])
		for line := range bytes.Lines(text) {
			before := string(d.JSON())
			if !d.Line(line) && string(d.JSON()) != before {
				t.Fatalf("skipped %q changed the document from %s to %s", line, before, d.JSON())
			}
			check(t, d)
		}
		if root := d.root[0].(map[string]any); !holds(root[reserved], ours) {
			t.Fatalf("the executor's own part is now %v", root[reserved])
		}
	})
}

// check fails if the document broke its own rules.
func check(t *testing.T, d *Document) {
	t.Helper()
	size, depth := measure(d.root[0])
	text := d.JSON()
	value, err := decode(text)
	if err != nil || !equal(value, d.root[0]) || !strings.HasPrefix(string(text), "{") {
		t.Fatalf("document reads back otherwise (%v): %s", err, text)
	}
	if size != d.size || len(text) > size || size > MaxDocument || depth > maxDepth {
		t.Fatalf("size %d, believed %d, real %d; depth %d", size, d.size, len(text), depth)
	}
}

// holds tells whether nothing of old was replaced or removed in value.
func holds(value, old any) bool {
	switch old := old.(type) {
	case map[string]any:
		object, ok := value.(map[string]any)
		for key, member := range old {
			ok = ok && holds(object[key], member)
		}
		return ok
	case []any:
		array, ok := value.([]any)
		for i, j := 0, 0; ok && i < len(old); j++ {
			if ok = j < len(array); ok && holds(array[j], old[i]) {
				i++
			}
		}
		return ok
	default:
		return equal(value, old)
	}
}
