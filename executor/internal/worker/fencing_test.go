package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// forever prints that it runs and then waits to be ended, writing how it was told into modeldir.
const forever = `
import signal, sys, time
def leave(*_):
    open('../modeldir/told', 'w').write('yes')
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print('running')
while True: time.sleep(0.05)
`

type handled struct {
	disposition Disposition
	err         error
}

// begin handles a delivery and waits until its program runs, the nth to do so.
func (b *bundle) begin(m message.Relayed, nth int) <-chan handled {
	b.t.Helper()
	done := make(chan handled, 1)
	go func() {
		d, err := b.worker.Handle(context.WithoutCancel(b.t.Context()), m)
		done <- handled{d, err}
	}()
	b.await("the first checkpoint of a running program", func() bool {
		_, err := b.objects.Bucket(storeBucket).Object("experiments/" + m.Experiment + "/output.tar").Attrs(b.t.Context())
		if errors.Is(err, storage.ErrObjectNotExist) {
			return false
		}
		output, _ := b.output(m.Experiment)
		return strings.Count(output, "running\n") == nth
	})
	return done
}

func (b *bundle) await(what string, done func() bool) {
	b.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			b.t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func TestStoppedRecordEndsTheProgramAndKeepsWhatItWrote(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := b.begin(b.submit(submission{key: "k1", script: forever}), 1)
	if asked, err := b.worker.Records.Stop(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k1"}); !asked || err != nil {
		t.Fatalf("Stop = %v, %v", asked, err)
	}
	if got := <-done; got.disposition != Acknowledge || got.err != nil {
		t.Fatalf("Handle = %v, %v", got.disposition, got.err)
	}
	output, meta := b.output("k1")
	if meta[record.MetaOutcome] != string(Stopped) || meta[record.MetaState] != record.StateFinal {
		t.Errorf("output.tar is %q with outcome %q; want final, stopped", meta[record.MetaState], meta[record.MetaOutcome])
	}
	if !strings.Contains(output, "The experiment was stopped") {
		t.Errorf("output does not say that it was stopped:\n%s", output)
	}
	model, _ := b.get(storeBucket, "experiments/k1/modeldir.tar")
	if untar(t, model)["told"] != "yes" {
		t.Error("what the program wrote when it was told to end is not saved")
	}
}

// A client that puts its record back to waiting takes the experiment from the attempt that runs it.
func TestSupersededAttemptUploadsNothingMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := b.begin(b.submit(submission{key: "k1", script: forever}), 1)
	b.put(metadataBucket, "experiments/k1", []byte(`{"key":"k1","status":"waiting"}`), nil)
	got := <-done
	if got.disposition != Return || !errors.Is(got.err, errSuperseded) {
		t.Fatalf("Handle = %v, %v; want return, superseded", got.disposition, got.err)
	}
	if _, meta := b.output("k1"); meta[record.MetaState] != record.StateRunning {
		t.Errorf("the superseded attempt saved its output as %q", meta[record.MetaState])
	}
	_, err := b.objects.Bucket(storeBucket).Object("experiments/k1/modeldir.tar").Attrs(t.Context())
	if !errors.Is(err, storage.ErrObjectNotExist) {
		t.Errorf("the superseded attempt saved what its program wrote at its end (%v)", err)
	}
}

func TestDrainedAttemptIsSavedAndTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: forever})
	done := b.begin(m, 1)
	b.leave()
	got := <-done
	if got.disposition != Return || !errors.Is(got.err, errDraining) {
		t.Fatalf("Handle = %v, %v; want return, draining", got.disposition, got.err)
	}
	r := b.record("k1")
	if r.Status() == record.Finished || r.Cloud().Attempts[0].Outcome != record.Drained {
		t.Errorf("record is %v, its attempt %q; want unfinished, drained", r.Status(), r.Cloud().Attempts[0].Outcome)
	}
	model, _ := b.get(storeBucket, "experiments/k1/modeldir.tar")
	if untar(t, model)["told"] != "yes" {
		t.Error("what the program wrote when the executor left is not saved")
	}

	b.worker.Prepare(t.Context().Done()) // as another executor
	done = b.begin(m, 2)
	if asked, err := b.worker.Records.Stop(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k1"}); !asked || err != nil {
		t.Fatalf("Stop = %v, %v", asked, err)
	}
	if got := <-done; got.disposition != Acknowledge {
		t.Fatalf("Handle = %v, %v", got.disposition, got.err)
	}
	if output, _ := b.output("k1"); strings.Count(output, "running\n") != 2 || !strings.Contains(output, "Attempt 2 begins here") {
		t.Errorf("the output does not tell both attempts:\n%s", output)
	}
}

func TestLiveAttemptOfAnotherExecutorIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "print('mine')"})
	claimant := record.Claimant{Executor: "other", Pool: "cpu", MaxAttempts: 3, LeaseTTL: time.Hour}
	if _, err := b.worker.Records.Claim(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k1"}, claimant); err != nil {
		t.Fatal(err)
	}
	b.worker.Lease = 300 * time.Millisecond // how long this one waits; the other's claim is younger than that for an hour
	b.worker.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	b.worker.Records = record.New(b.objects, b.worker.Now)
	var held *record.HeldError
	if got, err := b.worker.Handle(t.Context(), m); got != Return || !errors.As(err, &held) {
		t.Errorf("Handle = %v, %v; want the delivery returned because it is held", got, err)
	}
}

func TestDeadExecutorsAttemptIsTakenOverOnceItsLeaseRunsOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "print('mine')"})
	claimant := record.Claimant{Executor: "dead", Pool: "cpu", MaxAttempts: 3, LeaseTTL: time.Minute}
	if _, err := b.worker.Records.Claim(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k1"}, claimant); err != nil {
		t.Fatal(err)
	}
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	attempts := b.record("k1").Cloud().Attempts
	if len(attempts) != 2 || attempts[0].Outcome != record.Abandoned || attempts[1].Executor != "executor-1" {
		t.Errorf("attempts = %+v; want the dead one abandoned and a second", attempts)
	}
}

func TestDeliveryThatWaitsForAnAttemptWhichEndsDoesNotRunWhileFinalizeIsLate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.Lease, b.worker.Heartbeat = time.Second, 100*time.Millisecond
	m := b.submit(submission{key: "k1", script: "print('again')"})
	claim, err := b.worker.Records.Claim(t.Context(), record.Ref{Bucket: metadataBucket, Key: "k1"}, record.Claimant{Executor: "other", Pool: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	var ending sync.Once
	b.worker.Log = slog.New(onMessage{slog.DiscardHandler, "experiment is held by another attempt", func() {
		ending.Do(func() {
			b.put(storeBucket, "experiments/k1/output.tar", nil, map[string]string{
				record.MetaState: record.StateFinal, record.MetaAttempt: claim.Attempt, record.MetaOutcome: "completed",
			})
		})
	}})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if n := len(b.record("k1").Cloud().Attempts); n != 1 {
		t.Errorf("the record has %d attempts, want 1", n)
	}
}

// onMessage calls when a message is logged.
type onMessage struct {
	slog.Handler
	message string
	call    func()
}

func (h onMessage) Enabled(context.Context, slog.Level) bool { return true }

func (h onMessage) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.call()
	}
	return nil
}

// brokenUploads is a store in which objects whose uploads name what cannot be written.
func brokenUploads(t *testing.T, base http.RoundTripper, what string) *artifact.Stores {
	t.Helper()
	client, err := storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: refuser{base, what}}), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return artifact.NewStores(client, nil, artifact.URLs{})
}

type refuser struct {
	base http.RoundTripper
	what string
}

func (r refuser) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/upload/") && r.matches(req) {
		return &http.Response{
			StatusCode: http.StatusForbidden, Status: "403 Forbidden", Request: req, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("no")),
		}, nil
	}
	return r.base.RoundTrip(req)
}

func TestExperimentOnAGPUThatGoesBadIsGivenBackForAnotherAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pools, err := pool.Parse(`[{"name":"gpu","kind":"gke","gpus":1,"gpu_slots":2,"gpu_mem":"16gb","cpus":4,"ram":"8gb","hdd":"10gb"}]`)
	if err != nil {
		t.Fatal(err)
	}
	b.worker.Pool, b.worker.Policy.Pools = pools[0], pools
	b.worker.Allocator = device.NewAllocator(pools[0], []device.Device{{UUID: "GPU-1", Memory: 16_000_000_000}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	card := &badCard{gone: make(chan struct{})}
	go b.worker.WatchGPUs(ctx, card)
	resources := map[string]any{"cpus": 1, "gpus": 1, "ram": "1gb", "hdd": "1gb"}
	done := b.begin(b.submit(submission{key: "k1", script: forever, change: map[string]any{"resources_needed": resources}}), 1)
	close(card.gone)
	got := <-done
	if got.disposition != Return || !errors.Is(got.err, errDevice) {
		t.Fatalf("Handle = %v, %v; want return because of the GPU", got.disposition, got.err)
	}
	if outcome := b.record("k1").Cloud().Attempts[0].Outcome; outcome != record.Infrastructure {
		t.Errorf("the attempt ended as %q, want %q", outcome, record.Infrastructure)
	}
}

// badCard is a card that falls off the bus.
type badCard struct{ gone chan struct{} }

func (c *badCard) Check(context.Context) []*device.Fault { return nil }

func (c *badCard) Watch(ctx context.Context, report func(*device.Fault)) error {
	select {
	case <-c.gone:
		report(&device.Fault{UUID: "GPU-1", Reason: "Xid 79"})
	case <-ctx.Done():
	}
	return nil
}

// matches looks for the object's name in the address and in the beginning of the upload.
func (r refuser) matches(req *http.Request) bool {
	if r.what == "" || strings.Contains(req.URL.RawQuery, r.what) {
		return true
	}
	if req.Body == nil {
		return false
	}
	body, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && bytes.Contains(body[:min(len(body), 512)], []byte(r.what))
}

// A fault of an executor that leaves may be its leaving, and the experiment has an output to say what is at fault next time.
func TestAFaultWhileTheExecutorLeavesEndsOnlyTheAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "pass"})
	d, err := b.worker.Policy.Decide(m.Queue, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	x := &experiment{w: b.worker, relayed: m, req: d.Request, tenant: d.Tenant, ref: record.Ref{Bucket: metadataBucket, Key: "k1"}, log: b.worker.Log}
	grant, claim, err := x.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer grant.Release()
	got, err := x.attempt(claim, grant, 0).live(t.Context(), func(ctx context.Context) (verdict, error) {
		b.leave()
		<-ctx.Done()
		return verdict{}, &Fault{Outcome: Failed, Sentence: "at fault"}
	})
	if got != Return || !errors.Is(err, errDraining) {
		t.Errorf("live = %v, %v; want return, draining", got, err)
	}
	if outcome := b.record("k1").Cloud().Attempts[0].Outcome; outcome != record.Drained {
		t.Errorf("the attempt ended as %q, want %q", outcome, record.Drained)
	}
}
