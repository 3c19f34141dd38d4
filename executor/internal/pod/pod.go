package pod

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Where it is told.
const (
	CostAnnotation = "controller.kubernetes.io/pod-deletion-cost"
	StateLabel     = "studio-cloud-runner/state"
	DigitLabel     = "studio-cloud-runner/runs-" // with 1, 2, 4, … after it
)

// API is the pod as the API server has it.
type API struct {
	url    string
	folder string
	client *http.Client
}

// Account is the folder in which Kubernetes mounts the credentials of a pod's service account.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

const patchTimeout = 10 * time.Second

// Open finds the API server of the cluster at host and port, and the pod of that name, by the account's folder.
func Open(host, port, name, folder string) (*API, error) {
	namespace, err := os.ReadFile(filepath.Join(folder, "namespace")) //nolint:gosec // where the platform mounts it
	if err != nil {
		return nil, fmt.Errorf("find the pod's namespace: %w", err)
	}
	authority, err := os.ReadFile(filepath.Join(folder, "ca.crt")) //nolint:gosec // likewise
	if err != nil {
		return nil, fmt.Errorf("find the cluster's authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("find the cluster's authority: %s holds no certificate", filepath.Join(folder, "ca.crt"))
	}
	if host == "" || port == "" {
		return nil, errors.New("find the API server: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set; is this a pod?")
	}
	return &API{
		url:    fmt.Sprintf("https://%s/api/v1/namespaces/%s/pods/%s", net.JoinHostPort(host, port), strings.TrimSpace(string(namespace)), name),
		folder: folder,
		client: &http.Client{
			Timeout:   patchTimeout,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		},
	}, nil
}

// doing is what a pod does.
type doing struct {
	runs     int // experiments
	draining bool
}

// tell patches the pod. Digits are those of slots, the most that it can run.
func (a *API) tell(ctx context.Context, d doing, slots int) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{CostAnnotation: strconv.Itoa(d.runs)}, "labels": d.labels(slots),
	}})
	if err == nil {
		_, err = a.ask(ctx, http.MethodPatch, body)
	}
	if err != nil {
		return fmt.Errorf("tell what the pod does: %w", err)
	}
	return nil
}

// maxAnswer is more than a pod of ours takes, its history of changes included.
const maxAnswer = 1 << 20

// ask returns what the server answers, which is the pod.
func (a *API) ask(ctx context.Context, method string, body []byte) ([]byte, error) {
	token, err := os.ReadFile(filepath.Join(a.folder, "token")) // it is renewed every hour
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if body != nil {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return nil, &refusal{code: resp.StatusCode, says: resp.Status + ": " + strings.TrimSpace(string(said[:min(len(said), 1<<10)]))}
	}
	return said, err
}

// refusal is an answer of the server that is not the pod.
type refusal struct {
	code int
	says string
}

func (r *refusal) Error() string { return r.says }

// labels has a nil for each label that is to go.
func (d doing) labels(slots int) map[string]any {
	labels := map[string]any{StateLabel: d.state()}
	for i := range bits.Len(uint(max(slots, 0))) {
		name := DigitLabel + strconv.Itoa(1<<i)
		labels[name] = nil
		if d.runs&(1<<i) != 0 {
			labels[name] = "true"
		}
	}
	return labels
}

func (d doing) state() string {
	switch {
	case d.draining:
		return "draining"
	case d.runs > 0:
		return "busy"
	default:
		return "idle"
	}
}
