package metadata

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// RFC 7386, appendix A, as far as document and patch are objects; and RFC 6902, appendix A.
func TestStandardExamples(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ document, directive, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":"foo"}`, `{"a":{"b":[{"c":null}]}}`, `{"a":{"b":[{"c":null}]}}`},

		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		{`{"":1}`, `[{"op":"replace","path":"/","value":2}]`, `{"":2}`},
		{`{"a":1.0}`, `[{"op":"test","path":"/a","value":1},{"op":"test","path":"/a","value":10e-1}]`, `{"a":1.0}`},
		{`{"a":[1,{"b":2}]}`, `[{"op":"move","from":"/a/1","path":"/a/1"}]`, `{"a":[1,{"b":2}]}`},
	} {
		d := document(t, tc.document)
		if got := d.Line([]byte(tc.directive)); got != (tc.want != "") {
			t.Errorf("%s of %s applies: %v", tc.directive, tc.document, got)
		}
		if tc.want == "" {
			tc.want = tc.document
		}
		same(t, d.JSON(), tc.want)
	}
}

// What a widely used library makes of random patches, we make of them.
func TestPatchesAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices = false
	rng := rand.New(rand.NewPCG(6902, 7386))
	applied := 0
	for range 3000 {
		const initial = `{"a":{"b":[1,[2,3],{"c":"x"}],"d":{}},"e":[{"a":1},"y"],"f":4}`
		line := randomPatch(rng)
		d := document(t, initial)
		got := d.Line(line)
		patch, err := jsonpatch.DecodePatch(line)
		if err != nil {
			t.Fatal(err)
		}
		text, err := patch.ApplyWithOptions([]byte(initial), options)
		if got != (err == nil) {
			t.Fatalf("%s: applied %v, the library says %v", line, got, err)
		}
		if got {
			applied++
			same(t, d.JSON(), string(text))
		} else {
			same(t, d.JSON(), initial)
		}
		if t.Failed() {
			t.Fatalf("after %s", line)
		}
	}
	if applied < 200 {
		t.Errorf("only %d patches apply", applied)
	}
}

func randomPatch(rng *rand.Rand) []byte {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	path := func() string {
		var b strings.Builder
		for range 1 + rng.IntN(3) {
			b.WriteString("/" + pick("a", "a", "b", "b", "c", "d", "e", "f", "0", "1", "2", "-"))
		}
		return b.String()
	}
	var patch []map[string]any
	for range 1 + rng.IntN(3) {
		o := map[string]any{"op": pick("add", "add", "add", "remove", "replace", "move", "copy", "test"), "path": path()}
		switch o["op"] {
		case "move", "copy":
			o["from"] = path()
		case "add", "replace", "test":
			o["value"] = json.RawMessage(pick(`1`, `"x"`, `[2,3]`, `{"c":"x"}`, `{}`, `4`))
		}
		patch = append(patch, o)
	}
	text, err := json.Marshal(patch)
	if err != nil {
		panic(fmt.Sprint(err)) // all of it is JSON
	}
	return text
}

// The cost of a directive must not depend on how many came before: compare the times per directive over sizes.
func BenchmarkDirective(b *testing.B) {
	for _, entries := range []int{10, 10_000} {
		full := begin(map[string]any{reserved: map[string]any{"log": []any{}}, "experiment": map[string]any{}})
		for i := range entries {
			full.Line(fmt.Appendf(nil, `{"experiment": {"metric%d": %d}}`, i, i))
			full.Line(fmt.Appendf(nil, `[{"op": "add", "path": "/studioml/log/-", "value": {"ts": %d, "msg": "step"}}]`, i))
		}
		for name, line := range map[string]string{
			"merge":  `{"experiment": {"loss": 0.1}}`,
			"append": `[{"op": "add", "path": "/studioml/log/-", "value": 1}]`,
			"failed": `[{"op": "add", "path": "/studioml/log/-", "value": 1}, {"op": "remove", "path": "/no"}]`,
		} {
			b.Run(fmt.Sprintf("%s after %d", name, entries), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					full.Line([]byte(line))
				}
			})
		}
	}
}
