package report

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

func TestAReportSurvivesTheWay(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for _, want := range golden(t) {
		body, err := Seal(want, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open([]byte(body), key); err != nil || !proto.Equal(got, want) {
			t.Errorf("Open = %v, %v; want %v", got, err, want)
		}
	}
}

func TestTheBodyIsAPayloadOfTheEnvelopeAroundTheJSONMapping(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	body, err := Seal(logging("x"), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := envelope.Open(body, key)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time": "2026-01-02T03:04:05.006Z", "experimentId": "k", "uniqueId": "a", "executorId": "e",
	  "logging": {"time": "2026-01-02T03:04:05.006Z", "severity": "Info", "message": "x", "fields": {}}}`
	if got := compact(t, text); got != compact(t, []byte(want)) {
		t.Errorf("sealed %s", got)
	}
}

func TestAStateIsWrittenEvenIfItIsTheDefault(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	body, err := Seal(&Report{Payload: &Report_Progress{Progress: &Progress{State: TaskState_Prestart}}}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := envelope.Open(body, key)
	if got := compact(t, text); err != nil || got != `{"progress":{"state":"Prestart"}}` {
		t.Errorf("sealed %s, %v", got, err)
	}
}

func TestAnyOfSeveralKeysOpens(t *testing.T) {
	t.Parallel()
	current, previous := newKey(t), newKey(t)
	body, err := Seal(logging("x"), previous.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open([]byte(body), current, previous); err != nil {
		t.Errorf("Open with both keys: %v", err)
	}
	if _, err := Open([]byte(body), current); !errors.Is(err, envelope.ErrUndecryptable) {
		t.Errorf("Open with another key: %v; want ErrUndecryptable", err)
	}
}

func TestALaterVersionsFieldsAreLeftOut(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	got, err := Open(sealed(t, key, `{"uniqueId": "a", "colour": "red", "text": "x"}`), key)
	if err != nil || got.GetUniqueId().GetValue() != "a" || got.GetText().GetValue() != "x" {
		t.Errorf("Open = %v, %v", got, err)
	}
}

func TestWhatIsNoReportIsMalformedAndNotRepeated(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for _, text := range []string{``, `secret`, `[]`, `null`, `{"progress": "secret"}`, `{"text": "a", "text": "b"}`, "{\"text\": \"\xff\"}"} {
		got, err := Open(sealed(t, key, text), key)
		if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) = %v, %v; want ErrMalformed", text, got, err)
		}
	}
	for _, body := range []string{"", "x", ",", "x,y", strings.Repeat("A", 400)} {
		if _, err := Open([]byte(body), key); !errors.Is(err, envelope.ErrUndecryptable) {
			t.Errorf("Open of the body %q: %v; want ErrUndecryptable", body, err)
		}
	}
}

func TestTextThatIsNotUTF8IsMalformedAndNotRepeated(t *testing.T) {
	t.Parallel()
	if _, err := Seal(logging("secret\xff"), newKey(t).Public()); !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "secret") {
		t.Errorf("Seal: %v; want ErrMalformed", err)
	}
}

func TestTheLongestReportIsSealedAndOpenedAndALongerOneIsNot(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	around, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(logging(""))
	if err != nil {
		t.Fatal(err)
	}
	const spaces = 16 // that protojson adds or not
	longest := strings.Repeat("x", MaxJSON-len(around)-spaces)
	body, err := Seal(logging(longest), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open([]byte(body), key); err != nil || got.GetLogging().GetMessage().GetValue() != longest {
		t.Errorf("Open of %d bytes: %v", len(body), err)
	}
	if _, err := Seal(logging(longest+strings.Repeat("x", 2*spaces)), key.Public()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Seal of a longer one: %v; want ErrTooLarge", err)
	}
	if _, err := Open(bytes.Repeat([]byte("A"), maxBody+1), key); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Open of a longer body: %v; want ErrTooLarge", err)
	}
}

func TestNoKeySealsNothing(t *testing.T) {
	t.Parallel()
	if body, err := Seal(logging("x"), nil); err == nil {
		t.Errorf("Seal without a key = %q", body)
	}
}

func TestTheResponseQueueIsTheQueuesWithAnEnding(t *testing.T) {
	t.Parallel()
	if got := ResponseQueue("rmq_vision_1"); got != "rmq_vision_1_response" {
		t.Errorf("ResponseQueue = %s", got)
	}
}

// What testdata/golden.py made with protobuf for Python: the JSON mapping, the binary form and the sealed bodies of the same reports.
func TestReportsOfPythonsProtobufAreRead(t *testing.T) {
	t.Parallel()
	reports, binary, bodies := golden(t), lines(t, "reports.hex"), lines(t, "sealed.txt")
	key := goldenKey(t)
	for i, want := range reports {
		bin, err := hex.DecodeString(binary[i])
		if err != nil {
			t.Fatal(err)
		}
		fromBinary := new(Report)
		if err := proto.Unmarshal(bin, fromBinary); err != nil || !proto.Equal(fromBinary, want) {
			t.Errorf("binary %d is %v, %v; want %v", i, fromBinary, err, want)
		}
		if got, err := Open([]byte(bodies[i]), key); err != nil || !proto.Equal(got, want) {
			t.Errorf("body %d is %v, %v; want %v", i, got, err, want)
		}
	}
	if last := reports[len(reports)-2].GetProgress(); last.GetState() != TaskState_Failed || last.GetError().GetCode() != 3 {
		t.Errorf("the last but one is %v", last)
	}
}

func TestTheJSONMappingIsPythonsProtobufs(t *testing.T) {
	t.Parallel()
	for i, text := range lines(t, "reports.json") {
		got, err := protojson.Marshal(golden(t)[i])
		if err != nil || compact(t, got) != compact(t, []byte(text)) {
			t.Errorf("report %d is %s, %v; Python has %s", i, got, err, text)
		}
	}
}

func logging(text string) *Report {
	at := timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC))
	return &Report{
		Time: at, ExperimentId: wrapperspb.String("k"), UniqueId: wrapperspb.String("a"), ExecutorId: wrapperspb.String("e"),
		Payload: &Report_Logging{Logging: &LogEntry{Time: at, Severity: LogSeverity_Info, Message: wrapperspb.String(text)}},
	}
}

func golden(t *testing.T) (reports []*Report) {
	t.Helper()
	for _, text := range lines(t, "reports.json") {
		r := new(Report)
		if err := protojson.Unmarshal([]byte(text), r); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	return reports
}

func goldenKey(t *testing.T) *envelope.PrivateKey {
	t.Helper()
	key, err := envelope.ParsePrivateKey([]byte(strings.Join(lines(t, "report.pem"), "\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func newKey(t *testing.T) *envelope.PrivateKey {
	t.Helper()
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sealed(t *testing.T, key *envelope.PrivateKey, text string) []byte {
	t.Helper()
	body, err := envelope.Seal([]byte(text), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []byte(body)
}

// compact returns the JSON with its members sorted and without the spaces that protojson strews at will.
func compact(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
