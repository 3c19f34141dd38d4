package pod

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patch is what the API server was asked for.
type patch struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
		Labels      map[string]any    `json:"labels"`
	} `json:"metadata"`
}

// server is an API server that takes patches of the pod studio/executor-1.
func server(t *testing.T, answer int, says ...string) (*API, <-chan patch) {
	t.Helper()
	patches := make(chan patch, 100)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p patch
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPatch || r.URL.Path != "/api/v1/namespaces/studio/pods/executor-1" ||
			r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/merge-patch+json" || json.Unmarshal(body, &p) != nil {
			t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		w.WriteHeader(answer)
		_, _ = io.WriteString(w, strings.Join(append(says, `{"message":"what the server says"}`)[:1], ""))
		patches <- p
	}))
	t.Cleanup(s.Close)
	folder := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string]string{"namespace": "studio\n", "token": "secret\n", "ca.crt": string(authority)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	api, err := Open(at.Hostname(), at.Port(), "executor-1", folder)
	if err != nil {
		t.Fatal(err)
	}
	return api, patches
}

func TestThePodSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	const yes = "true"
	for name, tc := range map[string]struct {
		doing  doing
		cost   string
		labels map[string]any
	}{
		"nothing":            {doing{}, "0", map[string]any{StateLabel: "idle", DigitLabel + "1": nil, DigitLabel + "2": nil, DigitLabel + "4": nil}},
		"three":              {doing{runs: 3}, "3", map[string]any{StateLabel: "busy", DigitLabel + "1": yes, DigitLabel + "2": yes, DigitLabel + "4": nil}},
		"five while leaving": {doing{5, true}, "5", map[string]any{StateLabel: "draining", DigitLabel + "1": yes, DigitLabel + "2": nil, DigitLabel + "4": yes}},
		"leaving":            {doing{0, true}, "0", map[string]any{StateLabel: "draining", DigitLabel + "1": nil, DigitLabel + "2": nil, DigitLabel + "4": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, patches := server(t, http.StatusOK)
			if err := api.tell(t.Context(), tc.doing, 5); err != nil {
				t.Fatal(err)
			}
			got := (<-patches).Metadata
			if got.Annotations[CostAnnotation] != tc.cost || !maps.Equal(got.Labels, tc.labels) {
				t.Errorf("told %v %v, want %s %v", got.Annotations, got.Labels, tc.cost, tc.labels)
			}
		})
	}
}

func TestThePodTellsWhetherItIsDeleted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pod  string
		want Deletion
		ok   bool
	}{
		"it is not":        {`{"metadata":{"uid":"u","labels":{}},"spec":{"terminationGracePeriodSeconds":60}}`, Deletion{}, true},
		"it is":            {`{"metadata":{"uid":"u","deletionTimestamp":"2026-03-01T12:00:00Z","deletionGracePeriodSeconds":600}}`, Deletion{Asked: true, Grace: 10 * time.Minute}, true},
		"no pod is told":   {`{"kind":"Status"}`, Deletion{}, false},
		"nothing readable": {`<html>`, Deletion{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, patches := server(t, http.StatusOK, tc.pod)
			got, err := api.Deletion(t.Context())
			if got != tc.want || (err == nil) != tc.ok {
				t.Errorf("Deletion = %+v, %v; want %+v, ok %t", got, err, tc.want, tc.ok)
			}
			if asked := (<-patches).Metadata; asked.Annotations != nil || asked.Labels != nil {
				t.Errorf("asking changes the pod: %+v", asked)
			}
		})
	}
}

// What waits while a patch is on its way is told as one, the latest.
func TestTheLatestIsTold(t *testing.T) {
	t.Parallel()
	api, patches := server(t, http.StatusOK)
	teller := NewTeller(api, 4, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); teller.Run(ctx) }()
	if first := <-patches; first.Metadata.Annotations[CostAnnotation] != "0" {
		t.Errorf("first %v", first)
	}
	for _, change := range []int{1, 1, 1, -1, 1, 1} {
		teller.Runs(change)
	}
	teller.Draining()
	if next := <-patches; next.Metadata.Annotations[CostAnnotation] != "4" || next.Metadata.Labels[StateLabel] != "draining" {
		t.Errorf("then %v", next)
	}
	stop()
	<-done
}

// A cluster that refuses is said once and asked again, and the executor is not kept.
func TestARefusalIsLoggedOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() // without a token, so that nothing leaves the bubble
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		teller := NewTeller(&API{folder: folder}, 4, slog.New(slog.NewJSONHandler(&logs, nil)))
		ctx, stop := context.WithCancel(t.Context())
		go teller.Run(ctx)
		if !sleep(ctx, 10*retry) {
			t.Fatal("the time did not pass")
		}
		stop()
		synctest.Wait()
		if n := strings.Count(logs.String(), "Kubernetes does not know"); n != 1 || !strings.Contains(logs.String(), filepath.Join(folder, "token")) {
			t.Errorf("logged %d times:\n%s", n, logs.String())
		}
	})
}

func TestWhatTheServerSaysIsInTheError(t *testing.T) {
	t.Parallel()
	api, _ := server(t, http.StatusForbidden)
	if err := api.tell(t.Context(), doing{}, 1); err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "what the server says") || strings.Contains(err.Error(), "secret") {
		t.Errorf("tell = %v", err)
	}
}

func TestWithoutAnAccountThereIsNoPod(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := Open("10.0.0.1", "443", "executor-1", folder); err == nil {
		t.Error("Open found a namespace in an empty folder")
	}
	for name, text := range map[string]string{"namespace": "studio", "ca.crt": "no certificate"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open("10.0.0.1", "443", "executor-1", folder); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("Open = %v", err)
	}
}
