package request

import (
	"bytes"
	"encoding/json"
	"testing"
)

// What the walk cuts out must be what encoding/json sees, level by level.
func FuzzWalkSeesWhatEncodingJSONSees(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` { "a" : 1 , "b":[ ] } `, `{"a":"\\","b":"\"}","c":{"d":[1,{"e":null}]}}`, `{"a":1,"a":2}`, `[[],"]",{"}":"{"}, -1.5e3 ,true]`,
		"{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if json.Valid(data) {
			compare(t, bytes.TrimSpace(data))
		}
	})
}

func compare(t *testing.T, value []byte) {
	t.Helper()
	var wantMembers map[string]json.RawMessage
	if got, ok := members(value); ok {
		if err := json.Unmarshal(value, &wantMembers); err != nil || len(got) != len(wantMembers) {
			t.Fatalf("members(%s) = %q, %v", value, got, err)
		}
		for name, want := range wantMembers {
			if !bytes.Equal(got[name], want) {
				t.Fatalf("members(%s)[%q] = %s, want %s", value, name, got[name], want)
			}
			compare(t, got[name])
		}
	}
	var wantElements []json.RawMessage
	if got, ok := elements(value); ok {
		if err := json.Unmarshal(value, &wantElements); err != nil || len(got) != len(wantElements) {
			t.Fatalf("elements(%s) = %q, %v", value, got, err)
		}
		for i, want := range wantElements {
			if !bytes.Equal(got[i], want) {
				t.Fatalf("elements(%s)[%d] = %s, want %s", value, i, got[i], want)
			}
			compare(t, got[i])
		}
	}
}
