package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// Every experiment comes to a definite end, which its output tells its experimenter in a sentence.
func TestExperimentEndsWithASentenceInItsOutput(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	tests := map[string]struct {
		submission
		requirements error
		outcome      Outcome
		says         string
	}{
		"completed": {
			submission: submission{script: "print('hello')"}, outcome: Completed, says: "hello\n",
		},
		"exit code": {
			submission: submission{script: "import sys; sys.exit(3)"}, outcome: Failed, says: "exit code 3",
		},
		"killed": {
			submission: submission{script: "import os; os.kill(os.getpid(), 9)"}, outcome: Failed, says: "ended by a signal (killed)",
		},
		"workspace is not there": {
			submission: submission{absent: true}, outcome: Failed, says: "The artifact workspace is not there",
		},
		"workspace is no tar": {
			submission: submission{workspace: []byte(strings.Repeat("this is no tar\n", 100))}, outcome: Failed, says: "The artifact workspace (",
		},
		"script is not in the workspace": {
			submission: submission{script: "pass", change: map[string]any{"filename": "other.py"}}, outcome: Failed,
			says: `The script "other.py" is not in the workspace, which holds train.py.`,
		},
		"script is outside the workspace": {
			submission: submission{script: "pass", change: map[string]any{"filename": "../../../../../etc/passwd"}}, outcome: Failed, says: "is not in the workspace",
		},
		"requirement does not exist": {
			submission: submission{script: "pass"}, requirements: &pyenv.RequirementsError{}, outcome: Failed, says: "The Python environment cannot be built",
		},
		"time is used up": {
			submission: submission{script: "import time; print('begun'); time.sleep(60)", change: map[string]any{"max_duration": "1s"}}, outcome: TimedOut, says: "max_duration is 1s",
		},
		"lifetime is used up before the start": {
			submission: submission{
				script: "pass", change: map[string]any{"time_added": float64(long.Unix())}, config: map[string]any{"experimentLifetime": "30m"},
			},
			outcome: Expired, says: "longer than its lifetime of 30m0s",
		},
		"lifetime is used up while it runs": {
			submission: submission{
				script: "import time; time.sleep(60)", config: map[string]any{"experimentLifetime": "2s"},
			},
			outcome: TimedOut, says: "counted from submission, is 2s",
		},
		"an artifact of another tenant": {
			submission: submission{script: "pass", change: map[string]any{"artifacts": map[string]any{
				"workspace": map[string]any{"qualified": "gs://somebody-elses/blobstore/x.tar", "mutable": false},
			}}},
			outcome: Refused, says: "The artifact workspace is refused",
		},
		"a URL of the executor's own machine": {
			submission: submission{script: "pass", artifacts: map[string]any{
				"data": map[string]any{"url": "https://127.0.0.1:1/f", "mutable": false, "unpack": false},
			}},
			outcome: Refused, says: "The artifact data is refused: refuse https://127.0.0.1:1/f: connect to 127.0.0.1: a request may not name an address of the executor's own machine",
		},
		"a URL in clear": {
			submission: submission{script: "pass", artifacts: map[string]any{"data": map[string]any{"url": "http://example.org/f", "mutable": false}}},
			outcome:    Failed, says: "url does not begin with https://",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.python.err = tc.requirements
			tc.key = "k1"
			m := b.submit(tc.submission)
			if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
				t.Fatalf("Handle = %v, %v; want acknowledge", got, err)
			}
			output, meta := b.output("k1")
			if !strings.Contains(output, tc.says) {
				t.Errorf("output does not say %q:\n%s", tc.says, output)
			}
			if meta[record.MetaState] != record.StateFinal || meta[record.MetaOutcome] != string(tc.outcome) {
				t.Errorf("output.tar is %v with outcome %q; want final, %q", meta[record.MetaState], meta[record.MetaOutcome], tc.outcome)
			}
			if last := strings.Split(strings.TrimSpace(output), "\n"); !strings.Contains(last[len(last)-1], `"stop_time"`) {
				t.Errorf("the last line is %q, want the stop_time directive", last[len(last)-1])
			}
			if left, _ := os.ReadDir(b.worker.WorkDir); len(left) != 0 {
				t.Errorf("the work folder still holds %v", left)
			}
		})
	}
}

func TestCompletedExperimentHasItsEventsInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k1", script: "pass"})); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	want := []event.Type{event.Claimed, event.Prepared, event.Started, event.Saved}
	if got := b.events.types(); !slices.Equal(got, want) {
		t.Errorf("events = %v, want %v", got, want)
	}
}

func TestFinishedExperimentIsAcknowledgedAndNotRunAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "print('once')"})
	for range 2 { // the second finds the final output of the record's attempt, the third the finished record
		if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
			t.Fatalf("Handle = %v, %v", got, err)
		}
	}
	b.finalize("k1")
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	output, _ := b.output("k1")
	if n := strings.Count(output, "once"); n != 1 {
		t.Errorf("the program ran %d times, want 1", n)
	}
	if n := len(b.record("k1").Cloud().Attempts); n != 1 {
		t.Errorf("the record has %d attempts, want 1", n)
	}
}

// Scaling goes by the experiments that run: not by deliveries of ended ones.
func TestAnExperimentThatRunsIsToldWhileItRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var changes []int
	b.worker.Runs = func(change int) { changes = append(changes, change) }
	m := b.submit(submission{key: "k1", script: "pass"})
	for range 2 {
		if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
			t.Fatalf("Handle = %v, %v", got, err)
		}
		if !slices.Equal(changes, []int{1, -1}) {
			t.Fatalf("told %v, want one that begins and ends", changes)
		}
	}
}

func TestEndedExperimentIsAcknowledgedWhileTheExecutorIsBusy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "pass"})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	for range b.worker.Slots {
		<-b.worker.slots
	}
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
}

func TestExperimentThatIsStoppedBeforeItsStartDoesNotRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "pass", record: `{"key":"k1","status":"stopped","extra":[1.10]}`})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	r := b.record("k1")
	if r.Status() != record.Finished || r.Cloud().Outcome != string(Stopped) {
		t.Errorf("record is %v with outcome %q; want finished, stopped", r.Status(), r.Cloud().Outcome)
	}
	if got := string(r.Field("extra")); got != "[1.10]" {
		t.Errorf("a field of the client's became %s", got)
	}
}

func TestMalformedRequestIsADeadLetter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "pass"})
	m.Data = []byte(`{"experiment": 7}`)
	got, err := b.worker.Handle(t.Context(), m)
	if got != DeadLetter || err == nil {
		t.Errorf("Handle = %v, %v; want a dead letter with its reason", got, err)
	}
}

func TestResultsOfEarlierAttemptsAreThereForTheNextOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(storeBucket, "experiments/k1/modeldir.tar", tarOf(t, map[string]string{"step": "41"}), nil)
	b.put(storeBucket, "experiments/k1/output.tar", tarOf(t, map[string]string{"output": "from before\n"}), nil)
	script := "p='../modeldir/step'; n=int(open(p).read())+1; open(p,'w').write(str(n)); print('step', n)"
	if got, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k1", script: script})); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	model, _ := b.get(storeBucket, "experiments/k1/modeldir.tar")
	if got := untar(t, model)["step"]; got != "42" {
		t.Errorf("step = %q, want 42", got)
	}
	if output, _ := b.output("k1"); !strings.HasPrefix(output, "from before\n") || !strings.Contains(output, "step 42\n") {
		t.Errorf("the output does not go on from before:\n%s", output)
	}
}

// Some clients write unpack: false of every artifact. What was saved must not come back as an archive in the folder.
func TestResultsOfEarlierAttemptsAreUnpackedWhateverTheRequestSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(storeBucket, "experiments/k1/modeldir.tar", tarOf(t, map[string]string{"step": "41"}), nil)
	m := b.submit(submission{
		key: "k1", script: "import os; print('model', os.listdir('../modeldir'))",
		artifacts: map[string]any{"modeldir": map[string]any{"mutable": true, "unpack": false}},
	})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if output, _ := b.output("k1"); !strings.Contains(output, "model ['step']\n") {
		t.Errorf("the folder is not what was saved:\n%s", output)
	}
}

// A rerun reads everything of the experiment that it repeats, and has an output of its own.
func TestRerunReadsWhatTheFirstRunSavedEvenWhereThatIsEmpty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submit(submission{key: "k1", script: "print('first')"})
	if got, err := b.worker.Handle(t.Context(), first); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	before, _ := b.output("k1")
	artifacts := map[string]any{}
	for _, label := range []string{"modeldir", "output", "_metadata"} {
		artifacts[label] = map[string]any{"bucket": storeBucket, "key": "experiments/k1/" + label + ".tar", "mutable": false, "unpack": true}
	}
	again := b.submit(submission{key: "k2", script: "import os; print('model', os.listdir('../modeldir'))", artifacts: artifacts})
	if got, err := b.worker.Handle(t.Context(), again); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if output, meta := b.output("k2"); !strings.Contains(output, "model []\n") || meta[record.MetaOutcome] != string(Completed) {
		t.Errorf("the rerun %s:\n%s", meta[record.MetaOutcome], output)
	}
	if after, _ := b.output("k1"); after != before {
		t.Errorf("the first output is now:\n%s", after)
	}
}

func TestFileThatIsNotToBeUnpackedStaysAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	archive := tarOf(t, map[string]string{"a": "1"})
	b.put(storeBucket, "data/set.tar", archive, nil)
	m := b.submit(submission{
		key: "k1", script: "import os; print('size', os.path.getsize('../data/set.tar'))",
		artifacts: map[string]any{"data": map[string]any{"qualified": "gs://" + storeBucket + "/data/set.tar", "mutable": false, "unpack": false}},
	})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if output, _ := b.output("k1"); !strings.Contains(output, fmt.Sprintf("size %d\n", len(archive))) {
		t.Errorf("the archive was unpacked:\n%s", output)
	}
}

func TestArgumentsReachTheProgramExactly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	args := []string{`'two words'`, `''`, `'$HOME'`, `'it'"'"'s'`, `'ünïcode'`, `plain`}
	m := b.submit(submission{key: "k1", script: "import sys; print(sys.argv[1:])", args: args})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	want := `['two words', '', '$HOME', "it's", 'ünïcode', 'plain']`
	if output, _ := b.output("k1"); !strings.Contains(output, want) {
		t.Errorf("output lacks %s:\n%s", want, output)
	}
}

func TestProgramSeesAnEnvironmentFromNothing(t *testing.T) {
	b := setup(t)
	t.Setenv("AMQP_URL", "amqp://u:hunter2@h/")
	m := b.submit(submission{
		key: "k1", script: "import os\nfor n in sorted(os.environ): print(n, '=', os.environ[n])",
		config: map[string]any{"env": map[string]any{"MINE": "x:%PATH%:%AMQP_URL%"}},
	})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	output, _ := b.output("k1")
	for _, want := range []string{"STUDIOML_EXPERIMENT = k1\n", "MINE = x:/usr/bin:"} {
		if !strings.Contains(output, want) {
			t.Errorf("output lacks %q:\n%s", want, output)
		}
	}
	if strings.Contains(output, "hunter2") {
		t.Error("the program sees the executor's environment")
	}
}

func TestCompletionMarkerThatFailedIsWrittenByTheNextDeliveryWithoutAnotherRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.SaveTimeout = time.Second
	m := b.submit(submission{key: "k1", script: "print('once')", artifacts: map[string]any{
		"_results": map[string]any{"bucket": storeBucket, "key": "experiments/k1/_results.tar", "mutable": true},
	}})
	working := b.worker.Stores
	b.worker.Stores = brokenUploads(t, b.http, "_results")
	if got, err := b.worker.Handle(t.Context(), m); got != Return || err == nil {
		t.Fatalf("Handle = %v, %v; want the delivery returned", got, err)
	}
	if _, meta := b.output("k1"); meta[record.MetaState] != record.StateFinal {
		t.Fatalf("the final output was written over as %q", meta[record.MetaState])
	}
	b.finalize("k1")
	if got := b.record("k1").Status(); got != record.Finished {
		t.Errorf("finalize left the record as %v", got)
	}
	b.worker.Stores = working
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	marker, _ := b.get(storeBucket, "experiments/k1/_results.tar")
	if !strings.Contains(untar(t, marker)["_results.json"], `"experiment_id":"k1"`) {
		t.Errorf("the completion marker is %q", untar(t, marker))
	}
	if output, _ := b.output("k1"); strings.Count(output, "once") != 1 {
		t.Errorf("the program did not run once:\n%s", output)
	}
}

func TestUploadThatStorageRefusesKeepsTheFolderAndReturnsTheDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.SaveTimeout = time.Second
	m := b.submit(submission{key: "k1", script: "print('kept')"})
	b.worker.Stores = brokenUploads(t, b.http, "")
	got, err := b.worker.Handle(t.Context(), m)
	if got != Return || err == nil {
		t.Fatalf("Handle = %v, %v; want the delivery returned", got, err)
	}
	kept, globErr := filepath.Glob(b.worker.WorkDir + "/k1.*/tree/output/output")
	if globErr != nil || len(kept) != 1 {
		t.Fatalf("the output is kept in %v, want one place", kept)
	}
	if text, _ := os.ReadFile(kept[0]); !strings.Contains(string(text), "kept") {
		t.Errorf("kept output is %q", text)
	}
}
