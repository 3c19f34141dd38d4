package metadata

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document returns a document from JSON text.
func document(t *testing.T, text string) *Document {
	t.Helper()
	value, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return begin(value.(map[string]any))
}

// same compares JSON texts by meaning.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	g, err := decode(got)
	if err != nil {
		t.Fatalf("document is no JSON: %v: %.200s", err, got)
	}
	w, err := decode([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if !equal(g, w) {
		t.Errorf("document\n %s, want\n %s", got, want)
	}
}

// The examples of the program's manual, in one run.
func TestDirectivesFollowEachOther(t *testing.T) {
	t.Parallel()
	d := document(t, `{"studioml": {"log": []}}`)
	for _, line := range []string{
		"Epoch 1/10",
		`{"experiment": {"name": "testExpr", "max_run_length": 24, "current_run_position": 16}}`,
		`[{"op": "replace", "path": "/experiment/current_run_position", "value": 20}]`,
		`{'loss': 0.5}`,
		`{"experiment": {"completed": "true"}}`,
		`[{"op": "remove", "path": "/experiment/current_run_position"}]`,
		`[{"op": "add", "path": "/studioml/log/-", "value": {"ts": "2021-06-27T05:25:54,013499823+00:00", "msg": "Start"}}]`,
	} {
		if got, want := d.Line([]byte(line)), strings.Contains(line, `"`); got != want {
			t.Errorf("Line(%s) = %v", line, got)
		}
	}
	same(t, d.JSON(), `{"experiment": {"name": "testExpr", "max_run_length": 24, "completed": "true"},
		"studioml": {"log": [{"ts": "2021-06-27T05:25:54,013499823+00:00", "msg": "Start"}]}}`)
	if d.Skipped() != 0 {
		t.Errorf("Skipped = %d", d.Skipped())
	}
}

func TestOnlyWholeLinesAreDirectives(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		` {"a": 1}` + "\t\r\n":     true,
		`[]`:                       true,
		`{}`:                       true,
		``:                         false,
		`{`:                        false,
		`3`:                        false,
		`"text"`:                   false,
		`null`:                     false,
		`loss {"a": 1}`:            false,
		`{"a": 1} done`:            false,
		`{"a": 1} {"b": 2}`:        false,
		`{"a": 1},`:                false,
		`{"a": NaN}`:               false,
		"{\"a\": \"\xff\"}":        false,
		"{\"a\": \"tab\t\"}":       false,
		strings.Repeat("[", 20000): false,
		`{"a":"` + strings.Repeat("x", MaxLine) + `"}`: false,
	} {
		d := document(t, `{}`)
		if got := d.Line([]byte(line)); got != want || d.Skipped() != 0 {
			t.Errorf("Line(%.40q) = %v with %d skipped, want %v", line, got, d.Skipped(), want)
		}
	}
}

func TestSkippedDirectivesLeaveNothing(t *testing.T) {
	t.Parallel()
	const initial = `{"a": {"b": [1, 2, {"c": null}]}, "n": null, "studioml": {"host": "h", "log": [{"msg": "x"}], "none": null}}`
	deep := strings.Repeat(`{"d":`, 70) + "1" + strings.Repeat("}", 70)
	for name, line := range map[string]string{
		"merge replaces under studioml":      `{"a": 5, "n": 5, "new": {}, "studioml": {"more": 1, "host": "evil"}}`,
		"merge removes under studioml":       `{"a": null, "studioml": {"more": {"x": 1}, "host": null}}`,
		"merge removes a null there":         `{"studioml": {"none": null}}`,
		"merge removes studioml":             `{"a": {"b": 1}, "studioml": null}`,
		"merge replaces studioml":            `{"studioml": "mine"}`,
		"merge replaces the log":             `{"studioml": {"log": []}}`,
		"merge too deep":                     deep,
		"merge too large":                    `{"a": 1, "big": "` + strings.Repeat("x", MaxLine-30) + `"}`,
		"patch replaces under studioml":      `[{"op": "add", "path": "/z", "value": 1}, {"op": "replace", "path": "/studioml/host", "value": "evil"}]`,
		"patch adds over what is there":      `[{"op": "add", "path": "/studioml/host", "value": "evil"}]`,
		"patch adds over studioml":           `[{"op": "add", "path": "/studioml", "value": {}}]`,
		"patch with an escaped name":         `[{"op": "remove", "path": "/\u0073tudioml/log/0/msg"}]`,
		"patch removes a log entry":          `[{"op": "remove", "path": "/studioml/log/0"}]`,
		"patch moves studioml away":          `[{"op": "move", "from": "/studioml", "path": "/mine"}]`,
		"patch moves a log entry away":       `[{"op": "move", "from": "/studioml/log/0", "path": "/mine"}]`,
		"patch copies over what is there":    `[{"op": "copy", "from": "/a", "path": "/studioml/host"}]`,
		"patch replaces the document":        `[{"op": "replace", "path": "", "value": {}}]`,
		"patch adds as the document":         `[{"op": "add", "path": "", "value": {}}]`,
		"patch removes the document":         `[{"op": "remove", "path": ""}]`,
		"patch moves into itself":            `[{"op": "move", "from": "/a", "path": "/a/b/0"}]`,
		"later operation fails":              `[{"op": "remove", "path": "/a/b/0"}, {"op": "add", "path": "/a/b/-", "value": 9}, {"op": "replace", "path": "/a/b/0", "value": 8}, {"op": "add", "path": "/a/b/0", "value": 7}, {"op": "move", "from": "/a/b", "path": "/q"}, {"op": "test", "path": "/n", "value": 1}]`,
		"test of what is not there":          `[{"op": "test", "path": "/no", "value": null}]`,
		"index past the end":                 `[{"op": "add", "path": "/a/b/4", "value": 1}]`,
		"negative index":                     `[{"op": "replace", "path": "/a/b/-1", "value": 1}]`,
		"index with a leading zero":          `[{"op": "replace", "path": "/a/b/01", "value": 1}]`,
		"replace after the end":              `[{"op": "replace", "path": "/a/b/-", "value": 1}]`,
		"path into a number":                 `[{"op": "add", "path": "/a/b/0/x", "value": 1}]`,
		"path without a slash":               `[{"op": "add", "path": "a", "value": 1}]`,
		"no path":                            `[{"op": "add", "value": 1}]`,
		"no value":                           `[{"op": "add", "path": "/x"}]`,
		"unknown operation":                  `[{"op": "increment", "path": "/x", "value": 1}]`,
		"operation of another type":          `[{"op": {}, "path": "/x", "value": 1}]`,
		"an array that is no patch":          `[1, 2, 3]`,
		"patch too deep":                     `[{"op": "add", "path": "/x", "value": ` + deep + `}]`,
		"patch that deepens step by step":    `[` + strings.Repeat(`{"op": "copy", "from": "/a", "path": "/a/x"}, `, 80) + `{"op": "test", "path": "/n", "value": null}]`,
		"patch with too many operations":     `[` + strings.Repeat(`{"op": "test", "path": "/n", "value": null}, `, 1000) + `{"op": "add", "path": "/x", "value": 1}]`,
		"patch that grows the document":      `[{"op": "add", "path": "/x", "value": "` + strings.Repeat("x", MaxLine/2) + `"}, {"op": "copy", "from": "/x", "path": "/y"}, {"op": "copy", "from": "/x", "path": "/z"}]`,
		"patch that works for no good":       `[{"op": "add", "path": "/x", "value": "` + strings.Repeat("x", MaxLine/2) + `"}` + strings.Repeat(`, {"op": "copy", "from": "/x", "path": "/y"}, {"op": "remove", "path": "/y"}`, 100) + `, {"op": "remove", "path": "/x"}]`,
		"a pointer longer than any document": `[{"op": "test", "path": "` + strings.Repeat("/x", 100000) + `", "value": 1}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := document(t, initial)
			if d.Line([]byte(line)) {
				t.Error("applied")
			}
			same(t, d.JSON(), initial)
			if d.Skipped() != 1 {
				t.Errorf("Skipped = %d", d.Skipped())
			}
			if !d.Line([]byte(`{"after": [1]}`)) {
				t.Error("the next directive does not apply")
			}
		})
	}
}

func TestAdditionsUnderStudiomlApply(t *testing.T) {
	t.Parallel()
	const initial = `{"studioml": {"host": "h", "log": [{"msg": "x"}]}}`
	for line, want := range map[string]string{
		`{"studioml": {"pip": ["a"], "none": null}}`:                             `{"studioml": {"host": "h", "log": [{"msg": "x"}], "pip": ["a"]}}`,
		`{"studioml": {"host": "h"}}`:                                            initial,
		`[{"op": "add", "path": "/studioml/log/-", "value": 1}]`:                 `{"studioml": {"host": "h", "log": [{"msg": "x"}, 1]}}`,
		`[{"op": "add", "path": "/studioml/log/0", "value": 1}]`:                 `{"studioml": {"host": "h", "log": [1, {"msg": "x"}]}}`,
		`[{"op": "add", "path": "/studioml/log/0/ts", "value": 1}]`:              `{"studioml": {"host": "h", "log": [{"msg": "x", "ts": 1}]}}`,
		`[{"op": "copy", "from": "/studioml/host", "path": "/mine"}]`:            `{"mine": "h", "studioml": {"host": "h", "log": [{"msg": "x"}]}}`,
		`[{"op": "add", "path": "/studioml~1x", "value": 1}]`:                    `{"studioml/x": 1, "studioml": {"host": "h", "log": [{"msg": "x"}]}}`,
		`[{"op": "copy", "from": "", "path": "/whole"}]`:                         `{"whole": ` + initial + `, "studioml": {"host": "h", "log": [{"msg": "x"}]}}`,
		`[{"op": "test", "path": "/studioml/log", "value": [{"msg": "x"}]}]`:     initial,
		`[{"op": "copy", "from": "/studioml/log/0", "path": "/studioml/log/-"}]`: `{"studioml": {"host": "h", "log": [{"msg": "x"}, {"msg": "x"}]}}`,
	} {
		d := document(t, initial)
		if !d.Line([]byte(line)) {
			t.Errorf("Line(%s) does not apply", line)
		}
		same(t, d.JSON(), want)
	}
	d := document(t, `{}`)
	if !d.Line([]byte(`{"studioml": {"a": 1}}`)) || d.Line([]byte(`{"studioml": {"a": 2}}`)) {
		t.Error("a program's own addition is not kept")
	}
}

func TestDocumentIsBoundedAndGoesOnWorking(t *testing.T) {
	t.Parallel()
	d := document(t, `{}`)
	value := strings.Repeat("x", 10_000)
	n := 0
	for d.Line(fmt.Appendf(nil, `{"k%d": "%s"}`, n, value)) {
		n++
	}
	if n < 100 || len(d.JSON()) > MaxDocument {
		t.Errorf("%d values of %d bytes make %d bytes", n, len(value), len(d.JSON()))
	}
	if !d.Line([]byte(`{"k0": "short", "small": 1}`)) || !d.Line([]byte(`[{"op": "remove", "path": "/k1"}]`)) {
		t.Error("a full document does not shrink")
	}
	if !d.Line(fmt.Appendf(nil, `{"again": "%s"}`, value)) {
		t.Error("the room is not found again")
	}
}

func TestNumbersAndTextStayAsWritten(t *testing.T) {
	t.Parallel()
	const line = `{"big":12345678901234567890123,"exp":1e400,"frac":0.10,"text":"<é\u0001 & 😀>"}`
	d := document(t, `{}`)
	if !d.Line([]byte(line)) || string(d.JSON()) != line {
		t.Errorf("document %s, want %s", d.JSON(), line)
	}
}

func TestSetIsNotBoundByTheProgramsRules(t *testing.T) {
	t.Parallel()
	d := document(t, `{"studioml": {"stop_time": "", "host": "h"}, "text": 1}`)
	for _, err := range []error{
		d.Set("now", "studioml", "stop_time"),
		d.Set([]string{"a"}, "studioml", "host", "deeper"),
		d.Set(map[string]int{"n": 1}, "text"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	same(t, d.JSON(), `{"studioml": {"stop_time": "now", "host": {"deeper": ["a"]}}, "text": {"n": 1}}`)
	if d.Set(1) == nil || d.Set(func() {}, "f") == nil {
		t.Error("Set took a mistake")
	}
}

func TestDocumentMayBeReadWhileItIsWritten(t *testing.T) {
	t.Parallel()
	d := document(t, `{"studioml": {"log": []}}`)
	var group sync.WaitGroup
	group.Go(func() {
		for range 500 {
			d.Line([]byte(`[{"op": "add", "path": "/studioml/log/-", "value": {"msg": "x"}}]`))
		}
	})
	for range 50 {
		if !json.Valid(d.JSON()) {
			t.Error("document is no JSON")
		}
	}
	group.Wait()
	if got := strings.Count(string(d.JSON()), "msg"); got != 500 {
		t.Errorf("%d entries", got)
	}
}

func TestExperimentDocumentKeepsItsShape(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 11, 24, 19, 50, 12, 123456789, time.FixedZone("CET", 3600))
	d := New(Initial{
		Experiment: "k", Project: "p", Artifacts: map[string]string{"output": "gs://b/o.tar"}, Host: "h", LoadTime: at.Add(-time.Minute),
	})
	same(t, d.JSON(), `{"studioml": {"artifacts": {"output": "gs://b/o.tar"}, "experiment": {"key": "k", "project": "p"}, "host": "h",
		"load_time": "2020-11-24T18:49:12.123456789+00:00", "start_time": "", "stop_time": "", "log": []}}`)
	if d.Line([]byte(StopLine(at))) {
		t.Error("a program told its own end")
	}
	later := at.Add(time.Second)
	d.SetStart(at)
	d.SetStop(later)
	before := string(d.JSON())
	for line, want := range map[string]string{
		StartLine(at):   `{"studioml": {"start_time": "2020-11-24T18:50:12.123456789+00:00"}}`,
		StopLine(later): `{"studioml": {"stop_time": "2020-11-24T18:50:13.123456789+00:00"}}`,
	} {
		if line != want {
			t.Errorf("line %s, want %s", line, want)
		}
		if !d.Line([]byte(line)) || string(d.JSON()) != before {
			t.Error("reading our own lines back changes the document")
		}
		if !strings.Contains(before, strings.Split(want, `"`)[5]) {
			t.Errorf("%s does not say %s", before, want)
		}
	}
}

func TestNamesSortByTime(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		host string
		unix int64
		want string
	}{
		{"awsdev", 1546495043, "scrape-host-awsdev-1gew0R.json"}, // a name that the older runner made
		{"fe5917a", 1541618418, "scrape-host-fe5917a-1gKTNC.json"},
		{"../a b/é", 0, "scrape-host-..-a-b---0.json"},
	} {
		if got := Name(tc.host, time.Unix(tc.unix, 999)); got != tc.want {
			t.Errorf("Name(%q, %d) = %s, want %s", tc.host, tc.unix, got, tc.want)
		}
	}
}
