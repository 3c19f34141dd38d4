package worker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reader is an experimenter who reads reports, behind a Pub/Sub that may be down.
type reader struct {
	t    *testing.T
	key  *envelope.PrivateKey
	mu   sync.Mutex
	down error
	got  []message.Reports
	came chan struct{} // closed and replaced when a batch comes
}

// reported makes somebody read the reports of the worker's experiments.
func (b *bundle) reported() *reader {
	b.t.Helper()
	key, err := envelope.GeneratePrivateKey(1024)
	if err != nil {
		b.t.Fatal(err)
	}
	r := &reader{t: b.t, key: key, came: make(chan struct{})}
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":%q,"metadata":%q,"report_key":%q}]}`, storeBucket, metadataBucket, key.Public().MarshalPEM()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.worker.Policy.Tenants = func() *tenant.Set { return set }
	b.worker.Reports = &reporting.Sender{Tenants: b.worker.Policy.Tenants, Publisher: r}
	b.worker.ReportRate = 100
	return r
}

func (r *reader) Reports(_ context.Context, batch message.Reports) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return r.down
	}
	r.got = append(r.got, batch)
	close(r.came)
	r.came = make(chan struct{})
	return nil
}

func (r *reader) set(down error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// said is a report and its id.
type said struct {
	id string
	*report.Report
}

func (r *reader) read() (all []said) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, batch := range r.got {
		for _, one := range batch.Reports {
			opened, err := report.Open([]byte(one.Body), r.key)
			if err != nil {
				r.t.Fatal(err)
			}
			all = append(all, said{one.ID, opened})
		}
	}
	return all
}

// states are what was reported but for lines of output.
func (r *reader) states() (all []string) {
	r.t.Helper()
	for _, one := range r.read() {
		if p := one.GetProgress(); p != nil && p.GetJson() == nil {
			all = append(all, p.GetState().String())
		}
	}
	return all
}

// wait returns once a state was reported.
func (r *reader) wait(state report.TaskState) {
	r.t.Helper()
	for {
		r.mu.Lock()
		came := r.came
		r.mu.Unlock()
		if slices.Contains(r.states(), state.String()) {
			return
		}
		select {
		case <-came:
		case <-time.After(30 * time.Second):
			r.t.Fatalf("no report of %s in %q", state, r.states())
		}
	}
}

func (r *reader) last() said {
	r.t.Helper()
	all := r.read()
	if len(all) == 0 {
		r.t.Fatal("nothing is reported")
	}
	return all[len(all)-1]
}

func TestAnExperimentIsReportedFromItsClaimToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.reported()
	d, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k", script: `print("one"); print('{"experiment": {"loss": 0.5}}'); print("two", end="")`}))
	if d != Acknowledge || err != nil {
		t.Fatalf("Handle = %s, %v", d, err)
	}
	var words []string
	for _, one := range reader.read() {
		switch p := one.GetProgress(); {
		case p.GetJson() != nil:
			words = append(words, p.GetJson().GetValue())
		case p != nil:
			words = append(words, p.GetState().String())
		default:
			words = append(words, one.GetLogging().GetMessage().GetValue())
		}
	}
	words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, speaker) })
	if want := []string{"Prestart", "Started", "one", `{"experiment": {"loss": 0.5}}`, "two", "Success"}; !slices.Equal(words, want) {
		t.Errorf("reports are %q; want %q", words, want)
	}
	attempt := b.record("k").Cloud().Attempt
	for _, one := range reader.read() {
		if one.GetExperimentId().GetValue() != "k" || one.GetUniqueId().GetValue() != attempt || one.GetExecutorId().GetValue() != "executor-1" {
			t.Errorf("report %s is %v", one.id, one.Report)
		}
	}
	if id := reader.last().id; id != attempt+"/end" {
		t.Errorf("the last report is %s", id)
	}
}

// Every end is reported, also of what never started, with the sentence that its record has.
func TestEveryEndIsReported(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		submission
		change    func(w *Worker)
		states    []string
		says      string
		code      int32
		noAttempt bool
	}{
		"exit code":  {submission: submission{script: "raise SystemExit(3)"}, states: []string{"Prestart", "Started", "Failed"}, says: "exit code 3", code: 3},
		"no fetch":   {submission: submission{absent: true}, states: []string{"Prestart", "Failed"}, says: "The artifact workspace is not there"},
		"time is up": {submission: submission{script: "import time; time.sleep(60)", change: map[string]any{"max_duration": "1s"}}, states: []string{"Prestart", "Started", "Stopping", "Failed"}, says: "max_duration is 1s", code: -1},
		"lifetime is up": {
			submission: submission{script: "pass", change: map[string]any{"time_added": float64(time.Now().Add(-time.Hour).Unix())}, config: map[string]any{"experimentLifetime": "30m"}},
			states:     []string{"Prestart", "Failed"}, says: "longer than its lifetime",
		},
		"stopped before": {submission: submission{script: "pass", record: `{"status":"stopped"}`}, states: []string{"Failed"}, says: "stopped", noAttempt: true},
		"lost": {
			submission: submission{script: "pass", record: `{"status":"running","cloud":{"attempt":"x","attempts":[{"id":"x","fresh":true,"ended":"2026-01-02T03:04:05Z","outcome":"infrastructure"}]}}`},
			change:     func(w *Worker) { w.MaxAttempts = 1 }, states: []string{"Failed"}, says: "failed this experiment 1 times", noAttempt: true,
		},
		"fits nowhere": {
			submission: submission{script: "pass"}, change: func(w *Worker) { p := w.Pool; p.CPUs = 0; w.Allocator = device.NewAllocator(p, nil) },
			states: []string{"Failed"}, says: "No executor of the pool", noAttempt: true,
		},
		"an output that may not be written": {
			submission: submission{script: "pass", artifacts: map[string]any{"output": map[string]any{"bucket": "other-store", "key": "experiments/k/output.tar", "mutable": true}}},
			states:     []string{"Prestart", "Failed"}, says: "output",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			reader := b.reported()
			if tc.change != nil {
				tc.change(b.worker)
			}
			tc.key = "k"
			m := b.submit(tc.submission)
			if d, err := b.worker.Handle(t.Context(), m); d == Return {
				t.Fatalf("Handle = %s, %v", d, err)
			}
			if got := reader.states(); !slices.Equal(got, tc.states) {
				t.Errorf("states are %q; want %q", got, tc.states)
			}
			last := reader.last()
			failure := last.GetProgress().GetError()
			if !strings.Contains(failure.GetMsg().GetValue(), tc.says) || tc.code >= 0 && failure.GetCode() != tc.code {
				t.Errorf("the end is %v; want %q, code %d", failure, tc.says, tc.code)
			}
			unique := b.record("k").Cloud().Attempt
			if tc.noAttempt {
				unique = m.MessageID
			}
			if last.GetUniqueId().GetValue() != unique || last.id != unique+"/end" || last.GetExperimentId().GetValue() != "k" {
				t.Errorf("the end is %s, %v; want one of %s", last.id, last.Report, unique)
			}
		})
	}
}

func TestAMessageThatMayNotRunIsReportedOnlyToWhoHasProvenAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.reported()
	signing, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":%q,"metadata":%q,"report_key":%q,"signing_keys":[%q]}]}`,
		storeBucket, metadataBucket, reader.key.Public().MarshalPEM(), signing.Public().AuthorizedLine("x")))
	if err != nil {
		t.Fatal(err)
	}
	b.worker.Policy.Tenants = func() *tenant.Set { return set }
	b.worker.Reports.Tenants = b.worker.Policy.Tenants
	for name, tc := range map[string]struct {
		sign   envelope.SigningKey
		report bool
	}{"forged": {stranger, false}, "sealed for another cluster": {signing, true}} {
		inner := b.submit(submission{key: "k-" + name[:6], script: "pass"})
		body, err := envelope.New(envelope.Header{Status: "waiting"}, inner.Data, reader.key.Public(), tc.sign)
		if err != nil {
			t.Fatal(err)
		}
		m := message.Relayed{Queue: queue, Pool: "cpu", Kind: "sealed", MessageID: message.ID(body), Data: body, RelayedAt: time.Now().Add(-time.Hour)}
		before := len(reader.read())
		d, err := b.worker.Handle(t.Context(), m)
		if d != DeadLetter || !errors.As(err, new(*admission.Refusal)) {
			t.Fatalf("%s: Handle = %s, %v", name, d, err)
		}
		all := reader.read()
		if !tc.report && len(all) != before {
			t.Errorf("%s: reported %v", name, all[before:])
		}
		if tc.report && (len(all) != before+1 || reader.last().id != m.MessageID+"/end" || reader.last().GetExperimentId() != nil ||
			!strings.Contains(reader.last().GetProgress().GetError().GetMsg().GetValue(), "seal it for the cluster's current public key")) {
			t.Errorf("%s: reported %v", name, all[before:])
		}
	}
}

// Its record says so too, unless the header alone is at fault: that may be another's than the sender's.
func TestASealedRequestThatIsOpenedAndRefusedTellsWhichItWas(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cpus   int
		reason admission.Reason
		status record.Status
	}{
		"no pool holds it":             {64, admission.NoFit, record.Finished},
		"it asks more than its header": {8, admission.HeaderMismatch, record.Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			reader := b.reported()
			signing, err := envelope.GenerateSigningKey()
			if err != nil {
				t.Fatal(err)
			}
			set, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":%q,"metadata":%q,"report_key":%q,"signing_keys":[%q]}]}`,
				storeBucket, metadataBucket, reader.key.Public().MarshalPEM(), signing.Public().AuthorizedLine("x")))
			if err != nil {
				t.Fatal(err)
			}
			large := b.worker.Pool
			large.Name, large.CPUs = "large", 8
			b.worker.Policy.Pools = append(b.worker.Policy.Pools, large)
			b.worker.Policy.Tenants = func() *tenant.Set { return set }
			b.worker.Reports.Tenants = b.worker.Policy.Tenants
			b.worker.Keys = func() []*envelope.PrivateKey { return []*envelope.PrivateKey{reader.key} }
			inner := b.submit(submission{key: "k", script: "pass", change: map[string]any{"resources_needed": map[string]any{"cpus": tc.cpus}}})
			body, err := envelope.New(envelope.Header{Status: "waiting"}, inner.Data, reader.key.Public(), signing)
			if err != nil {
				t.Fatal(err)
			}
			refusal := new(admission.Refusal)
			d, err := b.worker.Handle(t.Context(), message.Relayed{Queue: queue, Pool: "cpu", Kind: "sealed", MessageID: message.ID(body), Data: body, RelayedAt: time.Now()})
			if d != DeadLetter || !errors.As(err, &refusal) || refusal.Reason != tc.reason {
				t.Fatalf("Handle = %s, %v; want %s", d, err, tc.reason)
			}
			reader.read()
			if got := reader.last().GetExperimentId().GetValue(); got != "k" {
				t.Errorf("reported is the experiment %q", got)
			}
			if r := b.record("k"); r.Status() != tc.status || tc.status == record.Finished && r.Cloud().Outcome != string(Refused) {
				t.Errorf("the record is %s, %q; want %s", r.Status(), r.Cloud().Outcome, tc.status)
			}
		})
	}
}

// A delivery is not acknowledged before its end is reported; the delivery after it reports the same.
func TestAnEndThatIsNotReportedIsReportedByTheNextDelivery(t *testing.T) {
	t.Parallel()
	for name, finalized := range map[string]bool{"finalize is late": false, "finalized": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			reader := b.reported()
			b.worker.SaveTimeout = 3 * time.Second
			m := b.submit(submission{key: "k", script: "print('once'); raise SystemExit(3)"})
			errDown := errors.New("Pub/Sub is down")
			reader.set(errDown)
			if d, err := b.worker.Handle(t.Context(), m); d != Return || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Handle = %s, %v; want the delivery back", d, err)
			}
			if left, err := filepath.Glob(b.worker.WorkDir + "/k.*"); len(left) > 0 || err != nil {
				t.Errorf("%v: all is stored, and the disk still holds %v", err, left)
			}
			if finalized {
				b.finalize("k")
			}
			if d, err := b.worker.Handle(t.Context(), m); d != Return || !errors.Is(err, errDown) {
				t.Fatalf("Handle = %s, %v; want the delivery back again", d, err)
			}
			reader.set(nil)
			for range 2 { // a replay says nothing new
				if d, err := b.worker.Handle(t.Context(), m); d != Acknowledge || err != nil {
					t.Fatalf("Handle = %s, %v", d, err)
				}
			}
			attempt := b.record("k").Cloud().Attempt
			for _, one := range reader.read() {
				failure := one.GetProgress().GetError()
				if one.id != attempt+"/end" || one.GetUniqueId().GetValue() != attempt || failure.GetCode() != 3 || !strings.Contains(failure.GetMsg().GetValue(), "exit code 3") {
					t.Errorf("reported %s, %v", one.id, one.Report)
				}
			}
			if output, _ := b.output("k"); strings.Count(output, "once") != 1 {
				t.Errorf("output = %q; want one run", output)
			}
		})
	}
}

func TestAnAttemptThatLeavesSaysSoAndNoEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.reported()
	done := make(chan Disposition, 1)
	go func() {
		d, _ := b.worker.Handle(context.WithoutCancel(t.Context()), b.submit(submission{key: "k", script: "import time; print('begun'); time.sleep(60)"}))
		done <- d
	}()
	reader.wait(report.TaskState_Started)
	b.leave()
	if d := <-done; d != Return {
		t.Fatalf("Handle = %s", d)
	}
	if got, want := reader.states(), []string{"Prestart", "Started", "Stopping"}; !slices.Equal(got, want) {
		t.Errorf("states are %q; want %q", got, want)
	}
	for _, one := range reader.read() {
		if p := one.GetProgress(); p.GetState() == report.TaskState_Stopping && p.GetError().GetMsg().GetValue() != leavingHere {
			t.Errorf("stopping because %v", p.GetError())
		}
	}
}

func TestAnAttemptThatIsStoppedSaysSoBeforeItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.reported()
	done := make(chan Disposition, 1)
	go func() {
		d, _ := b.worker.Handle(context.WithoutCancel(t.Context()), b.submit(submission{key: "k", script: "import time; time.sleep(60)"}))
		done <- d
	}()
	reader.wait(report.TaskState_Started)
	if _, err := b.worker.Records.Stop(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if d := <-done; d != Acknowledge {
		t.Fatalf("Handle = %s", d)
	}
	if got, want := reader.states(), []string{"Prestart", "Started", "Stopping", "Failed"}; !slices.Equal(got, want) {
		t.Errorf("states are %q; want %q", got, want)
	}
}

func TestASupersededAttemptSaysNothingMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reader := b.reported()
	done := make(chan Disposition, 1)
	go func() {
		d, _ := b.worker.Handle(context.WithoutCancel(t.Context()), b.submit(submission{key: "k", script: "import time; time.sleep(60)"}))
		done <- d
	}()
	reader.wait(report.TaskState_Started)
	b.put(metadataBucket, "experiments/k", []byte(`{"key":"k","status":"running","cloud":{"attempt":"other","attempts":[{"id":"other","started":"2026-01-02T03:04:05Z"}]}}`), nil)
	if d := <-done; d != Return {
		t.Fatalf("Handle = %s", d)
	}
	if got, want := reader.states(), []string{"Prestart", "Started"}; !slices.Equal(got, want) {
		t.Errorf("states are %q; want %q", got, want)
	}
}
