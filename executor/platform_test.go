package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/worker"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// machine has cards, of which some are bad.
type machine struct {
	cards []string
	bad   []string
}

func (m machine) Devices() (list []device.Device) {
	for _, uuid := range m.cards {
		list = append(list, device.Device{UUID: uuid})
	}
	return list
}

func (m machine) Check(context.Context) (faults []*device.Fault) {
	for _, uuid := range m.bad {
		faults = append(faults, &device.Fault{UUID: uuid, Reason: "has bad memory"})
	}
	return faults
}

// A container that ended because of a bad card is started again on the same machine.
func TestAPodWhoseCardsAreNotAllWellDoesNotServe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		machine
		elsewhere bool
		gpus      int
		fault     string
	}{
		"all are well":               {machine: machine{cards: []string{"a", "b"}}, gpus: 2},
		"none is asked for":          {machine: machine{}},
		"one is bad":                 {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 2, fault: "GPU b: has bad memory"},
		"one does not answer":        {machine: machine{cards: []string{"a"}}, gpus: 2, fault: "its pods have 2 GPUs, of which this one has 1"},
		"there is none":              {machine: machine{}, gpus: 1, fault: "its pods have 1 GPUs, of which this one has 0"},
		"there is none, and no pod":  {machine: machine{}, gpus: 1, elsewhere: true},
		"one is bad, and not lent":   {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 1},
		"one is bad on your machine": {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 2, elsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			p := &platform{log: slog.New(slog.NewTextHandler(&logs, nil)), pod: &pod.API{}}
			if tc.elsewhere {
				p.pod = nil
			}
			err := p.cards(t.Context(), &config{pool: pool.Pool{Name: "gpu", GPUs: tc.gpus}}, tc.machine)
			if (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("cards = %v; want %q", err, tc.fault)
			}
			if told := strings.Contains(logs.String(), "GPU went bad and is taken out of use"); told != (err != nil) {
				t.Errorf("the alert's message is logged: %t\n%s", told, logs.String())
			}
		})
	}
}

// account is that of a pod at a server, which counts what is asked of it.
func account(t *testing.T, answer int) (*pod.API, <-chan string) {
	t.Helper()
	asked := make(chan string, 10)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- strings.TrimSpace(r.Method + " " + r.URL.Path + " " + string(body))
		w.WriteHeader(answer)
	}))
	t.Cleanup(s.Close)
	folder := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string]string{"namespace": "studio", "token": "secret", "ca.crt": string(authority)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	api, err := pod.Open(at.Hostname(), at.Port(), "executor-1", folder)
	if err != nil {
		t.Fatal(err)
	}
	return api, asked
}

func TestThePodOfAnExecutorWithBadCardsIsDeletedAndNoOther(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause  error
		answer int
		asks   string
		says   string
	}{
		"bad cards":                     {worker.ErrUnfit, http.StatusOK, "DELETE /api/v1/namespaces/studio/pods/executor-1", ""},
		"bad cards, and it is not let":  {worker.ErrUnfit, http.StatusForbidden, "DELETE /api/v1/namespaces/studio/pods/executor-1", "is not replaced"},
		"a signal":                      {context.Canceled, http.StatusOK, "", ""},
		"something else went wrong":     {errors.New("no subscription"), http.StatusOK, "", ""},
		"it ends and nothing was wrong": {nil, http.StatusOK, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			api, asked := account(t, tc.answer)
			p := &platform{log: slog.New(slog.NewTextHandler(&logs, nil)), pod: api}
			ctx, end := context.WithCancel(t.Context())
			intake, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			if tc.cause != nil {
				stop(tc.cause)
			}
			end()
			p.replace(ctx, intake)
			got := ""
			if len(asked) > 0 {
				got = <-asked
			}
			if got != tc.asks || !strings.Contains(logs.String(), tc.says) {
				t.Errorf("asked for %q, want %q; logged %s", got, tc.asks, logs.String())
			}
		})
	}
}
