package worker

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

const statusKey = "experiments/k1/_status.tar"

// withStatus names the artifact by which a client asks for a stop without writing the record.
func withStatus(bucket string) map[string]any {
	return map[string]any{"_status": map[string]any{"bucket": bucket, "key": statusKey, "mutable": true, "unpack": true}}
}

func TestStatusArtifactEndsTheProgramAndKeepsWhatItWrote(t *testing.T) {
	t.Parallel()
	b := setup(t)
	done := b.begin(b.submit(submission{key: "k1", script: forever, artifacts: withStatus(storeBucket)}), 1)
	b.put(storeBucket, statusKey, tarOf(t, map[string]string{"./status.json": `{"key": "k1", "status": "stopped"}`}), nil)
	if got := <-done; got.disposition != Acknowledge || got.err != nil {
		t.Fatalf("Handle = %v, %v", got.disposition, got.err)
	}
	output, meta := b.output("k1")
	if meta[record.MetaOutcome] != string(Stopped) || !strings.Contains(output, "The experiment was stopped") {
		t.Errorf("outcome is %q, want stopped; output:\n%s", meta[record.MetaOutcome], output)
	}
	model, _ := b.get(storeBucket, "experiments/k1/modeldir.tar")
	if untar(t, model)["told"] != "yes" {
		t.Error("what the program wrote when it was told to end is not saved")
	}
}

func TestStatusArtifactThatIsThereBeforeTheStartKeepsTheProgramFromRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "print('ran')", artifacts: withStatus(storeBucket)})
	b.put(storeBucket, statusKey, tarOf(t, map[string]string{"status.json": `{"key": "k1", "status": "stopped"}`}), nil)
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	output, meta := b.output("k1")
	if meta[record.MetaOutcome] != string(Stopped) || strings.Contains(output, "ran") {
		t.Errorf("outcome is %q, want stopped; output:\n%s", meta[record.MetaOutcome], output)
	}
}

func TestStatusArtifactStopsARequestWhoseClientsClockIsAhead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{
		key: "k1", script: "print('ran')", artifacts: withStatus(storeBucket), change: map[string]any{"time_added": time.Now().Add(time.Hour).Unix()},
	})
	b.put(storeBucket, statusKey, tarOf(t, map[string]string{"status.json": `{"key": "k1", "status": "stopped"}`}), nil)
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if _, meta := b.output("k1"); meta[record.MetaOutcome] != string(Stopped) {
		t.Errorf("outcome is %q, want stopped", meta[record.MetaOutcome])
	}
}

func TestStatusArtifactThatAsksForNoStopOfThisRunChangesNothing(t *testing.T) {
	t.Parallel()
	stop := map[string]string{"status.json": `{"key": "k1", "status": "stopped"}`}
	tests := map[string]struct {
		content []byte // of _status.tar
		added   time.Time
	}{
		"it is not there":             {},
		"it says running":             {content: tarOf(t, map[string]string{"status.json": `{"key": "k1", "status": "running"}`})},
		"it is of another":            {content: tarOf(t, map[string]string{"status.json": `{"key": "k2", "status": "stopped"}`})},
		"it is of an earlier run":     {content: tarOf(t, stop), added: time.Now().Add(time.Minute)},
		"it holds another file":       {content: tarOf(t, map[string]string{"status.txt": stop["status.json"]})},
		"it is no JSON":               {content: tarOf(t, map[string]string{"status.json": "stopped"})},
		"it is no archive":            {content: []byte(stop["status.json"])},
		"it is larger than it may be": {content: tarOf(t, map[string]string{"status.json": strings.Repeat(" ", maxStatus) + stop["status.json"]})},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := submission{key: "k1", script: "import time; time.sleep(.5); print('ran')", artifacts: withStatus(storeBucket)}
			if !tc.added.IsZero() {
				s.change = map[string]any{"time_added": tc.added.Unix()}
			}
			m := b.submit(s)
			if !tc.added.IsZero() {
				m.RelayedAt = tc.added
			}
			if tc.content != nil {
				b.put(storeBucket, statusKey, tc.content, nil)
			}
			if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
				t.Fatalf("Handle = %v, %v", got, err)
			}
			output, meta := b.output("k1")
			if meta[record.MetaOutcome] != string(Completed) || !strings.Contains(output, "ran") {
				t.Errorf("outcome is %q, want completed; output:\n%s", meta[record.MetaOutcome], output)
			}
		})
	}
}

func TestStatusArtifactOfAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.submit(submission{key: "k1", script: "print('ran')", artifacts: withStatus("somebody-elses")})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	output, meta := b.output("k1")
	if meta[record.MetaOutcome] != string(Refused) || !strings.Contains(output, "The artifact _status is refused") {
		t.Errorf("outcome is %q, want refused; output:\n%s", meta[record.MetaOutcome], output)
	}
}

func TestStatusArtifactThatDoesNotAnswerIsToldAndCostsNoClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client, err := storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: silent{b.http, "_status"}}), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	b.worker.Stores = artifact.NewStores(client, nil, artifact.URLs{})
	var told atomic.Bool
	b.worker.Log = slog.New(onMessage{slog.DiscardHandler, "stop request not readable, looking again at the next heartbeat", func() { told.Store(true) }})
	m := b.submit(submission{key: "k1", script: "import time; time.sleep(3); print('ran')", artifacts: withStatus(storeBucket)})
	if got, err := b.worker.Handle(t.Context(), m); got != Acknowledge || err != nil {
		t.Fatalf("Handle = %v, %v", got, err)
	}
	if _, meta := b.output("k1"); meta[record.MetaOutcome] != string(Completed) || !told.Load() {
		t.Errorf("outcome is %q, told %v; want completed, told", meta[record.MetaOutcome], told.Load())
	}
}

// silent is a server that does not answer about what.
type silent struct {
	base http.RoundTripper
	what string
}

func (s silent) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, s.what) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return s.base.RoundTrip(req)
}
