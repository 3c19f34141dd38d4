package finalizer

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

const stopLine = `{"studioml": {"stop_time": "2020-11-24T18:50:12.123456789+00:00"}}` + "\n"

func TestACheckpointTouchesNoStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	attempt := b.claim()
	b.upload(attempt, record.StateRunning, "hello\n{\"loss\": 0.10}\n")
	b.receive()
	r := b.record()
	if r.Status() != record.Running || r.Time("time_last_checkpoint").IsZero() || b.document() != `{"loss":0.10}` {
		t.Errorf("status %s, document %s", r.Status(), b.document())
	}
	want := fmt.Sprintf("%s/%d/%s", key, b.generation(output), event.Checkpointed)
	if told := b.told(); len(told) != 1 || told[0].ID != want || told[0].Data.Attempt != attempt || told[0].Data.Executor != "pod-1" {
		t.Errorf("told %+v", told)
	}
}

func TestTheFinalOutputEndsTheExperiment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	attempt := b.claim()
	b.upload(attempt, record.StateFinal, stopLine)
	b.receive()
	cloud := b.record().Cloud()
	if b.record().Status() != record.Finished || cloud.Outcome != "failed" || *cloud.ExitCode != 3 || cloud.Reason == "" ||
		cloud.Output.Generation != b.generation(output) || cloud.Output.CRC32C == "" || cloud.Attempts[0].Outcome != "failed" {
		t.Errorf("cloud: %+v", cloud)
	}
	told := b.told()
	if len(told) != 1 || told[0].Type != event.Finished || told[0].Data.Outcome != "failed" || *told[0].Data.ExitCode != 3 || told[0].Data.Detail == "" {
		t.Errorf("told %+v", told)
	}
}

func TestADuplicateIsToldAgainUnderTheSameIDAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, state := range []string{record.StateRunning, record.StateFinal} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.upload(b.claim(), state, "")
			b.receive()
			before := b.record().Generation
			b.receive()
			told := b.told()
			if len(told) != 2 || told[0].ID != told[1].ID || told[0].Data.Outcome != told[1].Data.Outcome {
				t.Errorf("told %+v", told)
			}
			if b.record().Generation != before {
				t.Error("the record was written again")
			}
		})
	}
}

func TestAPublishThatFailedIsMadeGood(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.upload(b.claim(), record.StateFinal, "")
	b.unwell.Store(true)
	if err := b.Receive(t.Context(), notify(store, output)); err == nil {
		t.Error("an event was acknowledged that nobody was told of")
	}
	if b.record().Status() != record.Finished {
		t.Error("the record does not wait for the publish")
	}
	b.unwell.Store(false)
	b.receive()
	if told := b.told(); len(told) != 1 || told[0].Type != event.Finished {
		t.Errorf("told %+v", told)
	}
}

func TestEventsOutOfOrderSeeTheObjectAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	attempt := b.claim()
	b.upload(attempt, record.StateRunning, "one\n")
	b.upload(attempt, record.StateFinal, "two\n")
	b.receive() // of the first
	b.receive() // of the second
	told := b.told()
	if b.record().Status() != record.Finished || len(told) != 2 || told[0].Type != event.Finished || told[0].ID != told[1].ID {
		t.Errorf("told %+v", told)
	}
}

// A slow call has looked at the checkpoint when another records the final output.
func TestAnOlderGenerationChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	attempt := b.claim()
	b.upload(attempt, record.StateRunning, "{\"a\": 1}\n")
	b.put(store, "experiments/"+key+"/_metadata.tar", archive(t, "scrape-host-h-1.json", `{"a":1}`), meta(attempt, ""))
	once := true
	before := func(r *http.Request) {
		if once && strings.HasSuffix(r.URL.Path, metadata+"/experiments/"+key) {
			once = false
			b.upload(attempt, record.StateFinal, "")
			b.receive()
		}
	}
	b.wire.before.Store(&before)
	b.receive()
	if told := b.told(); len(told) != 1 || told[0].Type != event.Finished || once {
		t.Errorf("told %+v", told)
	}
}

func TestASupersededAttemptChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.claim()
	second := b.claim()
	b.upload(first, record.StateFinal, "")
	b.receive()
	if r := b.record(); r.Status() != record.Running || r.Cloud().Attempt != second || len(b.told()) != 0 {
		t.Errorf("status %s, told %+v", r.Status(), b.told())
	}
}

func TestAnotherProducersOutputEndsOnlyIfItSaysSo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]record.Status{
		"":                             record.Waiting,
		"hello\n":                      record.Waiting,
		"{\"studioml\": {\"a\": 1}}\n": record.Waiting,
		stopLine + "{\"studioml\": {\"start_time\": \"now\"}}\n": record.Waiting,
		"hello\n" + stopLine:                       record.Finished,
		stopLine + "bye\n":                         record.Finished,
		strings.Repeat("x", 2*tailSize) + stopLine: record.Waiting, // that line began before the tail
		strings.Repeat("x\n", tailSize) + stopLine: record.Finished,
		stopLine + strings.Repeat("x\n", tailSize): record.Waiting,
		strings.TrimSuffix(stopLine, "\n"):         record.Finished,
		"say " + stopLine:                          record.Waiting,
		`{"studioml": {"stop_time": null}}` + "\n": record.Waiting,
		strings.TrimSuffix(stopLine, "\n") + " {}": record.Waiting,
	} {
		t.Run(text[:min(len(text), 50)]+string(want), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.clientWrites(`{"status":"waiting","time_added":1530054413.13}`)
			b.upload("", "", text)
			b.receive()
			if got := b.record().Status(); got != want {
				t.Errorf("status %s; want %s", got, want)
			}
			if want == record.Finished && b.record().Cloud().Outcome != "completed" {
				t.Errorf("cloud: %+v", b.record().Cloud())
			}
		})
	}
}

func TestWhatIsNoOutputOfOursIsAcknowledged(t *testing.T) {
	t.Parallel()
	other := notify(store, output)
	other.SetType("google.cloud.storage.object.v1.deleted")
	noJSON := notify(store, output)
	_ = noJSON.SetData(cloudevents.TextPlain, []byte("hello"))
	tests := map[string]struct {
		event cloudevents.Event
		logs  string
	}{
		"another type":           {other, "not ours"},
		"no JSON":                {noJSON, "read the event's data"},
		"no object":              {notify(store, ""), "names no object"},
		"another artifact":       {notify(store, "experiments/"+key+"/modeldir.tar"), "no output"},
		"a deeper object":        {notify(store, "experiments/"+key+"/more/output.tar"), "no output"},
		"no key":                 {notify(store, "experiments//output.tar"), "no output"},
		"a bucket of nobody":     {notify("foreign", output), "no tenant's store"},
		"the metadata bucket":    {notify(metadata, output), "no tenant's store"},
		"an object that is gone": {notify(store, "experiments/gone/output.tar"), "deleted or overwritten"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.put("foreign", output, nil, nil)
			if err := b.Receive(t.Context(), tc.event); err != nil || !strings.Contains(b.logs.String(), tc.logs) || len(b.told()) != 0 {
				t.Errorf("Receive = %v, logs %s", err, b.logs)
			}
		})
	}
}

func TestOutputsThatCannotBeRecordedAreAcknowledged(t *testing.T) {
	t.Parallel()
	elsewhere := meta("a", record.StateFinal)
	elsewhere[record.MetaExperiment] = "another"
	tests := map[string]struct {
		record string
		meta   map[string]string
		logs   string
	}{
		"no record":                   {meta: meta("a", record.StateFinal), logs: "no record"},
		"no JSON in the record":       {record: "hello", meta: meta("a", record.StateFinal), logs: "malformed"},
		"another experiment's output": {record: `{}`, meta: elsewhere, logs: "another experiment's"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if tc.record != "" {
				b.clientWrites(tc.record)
			}
			b.put(store, output, archive(t, "output", "x"), tc.meta)
			b.receive()
			if !strings.Contains(b.logs.String(), tc.logs) || len(b.told()) != 0 {
				t.Errorf("logs %s", b.logs)
			}
		})
	}
}

func TestAClientThatWritesMeanwhileLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.clientWrites(`{"status":"running","note":0}`)
	b.upload("a", record.StateFinal, "")
	notes := 0
	before := func(r *http.Request) {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/b/"+metadata+"/") && notes < 3 && notes >= 0 {
			n := notes + 1
			notes = -1 // the client's own write
			b.clientWrites(fmt.Sprintf(`{"status":"running","note":%d}`, n))
			notes = n
		}
	}
	b.wire.before.Store(&before)
	b.receive()
	if r := b.record(); string(r.Field("note")) != "3" || r.Status() != record.Finished || r.Cloud().Outcome != "failed" {
		t.Errorf("note %s, status %s, cloud %+v", r.Field("note"), r.Status(), r.Cloud())
	}
}

var errDown = errors.New("down")

func TestTransientFailuresAskForRedelivery(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"/b/" + store + "/o/experiments%2F" + key + "%2Foutput.tar", "_metadata.tar", "/" + metadata + "/"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			attempt := b.claim()
			b.upload(attempt, record.StateFinal, "")
			b.put(store, "experiments/"+key+"/_metadata.tar", archive(t, "scrape-host-h-1.json", "{}"), meta(attempt, ""))
			b.wire.to = failing{b.wire.to, part}
			if err := b.Receive(t.Context(), notify(store, output)); !errors.Is(err, errDown) {
				t.Errorf("Receive = %v", err)
			}
		})
	}
}

// failing fails requests whose URL contains part.
type failing struct {
	http.RoundTripper
	part string
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.EscapedPath(), f.part) {
		return nil, errDown
	}
	return f.RoundTripper.RoundTrip(r)
}
