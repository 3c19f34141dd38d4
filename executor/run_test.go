package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/NVIDIA/go-nvml/pkg/nvml"      //nolint:depguard // run is given the library, as main does
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock" //nolint:depguard // likewise
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/worker"
)

// logs are written by run and waited for by tests.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan string
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	select {
	case l.line <- string(p):
	default: // nobody waits for that many
	}
	return len(p), nil
}

func (l *logs) await(t *testing.T, message string) {
	t.Helper()
	for {
		select {
		case line := <-l.line:
			if strings.Contains(line, message) {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("waited in vain for %q", message)
		}
	}
}

// cluster is what an executor needs of Google Cloud to serve a pool in which nothing waits.
func cluster(t *testing.T) map[string]string {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("PUBSUB_EMULATOR_HOST", server.Addr) // the client library reads it
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	client, err := pubsub.NewClient(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	const topic, sub = "projects/p/topics/studio-requests-gpu-t4", "projects/p/subscriptions/studio-requests-gpu-t4"
	_, err = client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic})
	if err == nil {
		_, err = client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{Name: sub, Topic: topic})
	}
	if err != nil {
		t.Fatal(err)
	}
	env := settings(t)
	env["WORK_DIR"], env["CACHE_DIR"], env["DRAIN_TIMEOUT"], env["DISK_RESERVE"] = t.TempDir(), t.TempDir(), "72h", "1"
	return env
}

// start runs the executor until what it returns is read.
func start(t *testing.T, ctx context.Context, env map[string]string, lib nvml.Interface) (*logs, <-chan error) {
	t.Helper()
	said, ended := &logs{line: make(chan string, 100)}, make(chan error, 1)
	go func() { ended <- run(ctx, nil, envconfig.MapLookuper(env), lib, env["ACCOUNT"], said) }()
	return said, ended
}

func noGPU() *mock.Interface {
	return &mock.Interface{InitFunc: func() nvml.Return { return nvml.ERROR_LIBRARY_NOT_FOUND }}
}

func TestAnExecutorWithNothingInHandLeavesAtOnceWhenItIsTold(t *testing.T) { //nolint:paralleltest // the client libraries read the environment
	env := cluster(t)
	ctx, terminate := context.WithCancel(t.Context())
	said, ended := start(t, ctx, env, noGPU())
	said.await(t, "executor serves its pool")
	terminate()
	if err := <-ended; err != nil {
		t.Errorf("run = %v", err)
	}
}

// Outside Kubernetes it would be started again with the same card.
func TestAnExecutorOfOnesOwnWhoseOnlyCardIsBadSaysSoAndStays(t *testing.T) { //nolint:paralleltest // the client libraries read the environment
	env := cluster(t)
	ctx, terminate := context.WithCancel(t.Context())
	said, ended := start(t, ctx, env, badCard(0))
	said.await(t, "GPU went bad and is taken out of use")
	terminate()
	if err := <-ended; err != nil {
		t.Errorf("run = %v\n%s", err, said.text.String())
	}
}

// ownPod makes the executor of env a pod, whose API server says that it is deleted, and must be gone at once.
func ownPod(t *testing.T, env map[string]string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/studio/pods/executor-1" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, `{"metadata":{"uid":"u","deletionTimestamp":"2026-03-01T12:00:00Z","deletionGracePeriodSeconds":0}}`)
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
	env["POD_NAME"], env["ACCOUNT"], env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"] = "executor-1", folder, at.Hostname(), at.Port()
}

// It ends only when it is told to: its successor would be put on the same machine.
func TestAPodWithABadCardIsDeletedAndKeepsItUntilItMustLeave(t *testing.T) { //nolint:paralleltest // the client libraries read the environment
	for name, tc := range map[string]struct { //nolint:paralleltest // likewise
		well int32 // how often the card is found well
		want string
	}{
		"it is bad from the beginning": {0, "it needs another machine"},
		"it goes bad while it serves":  {1, worker.ErrUnfit.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			env := cluster(t)
			ownPod(t, env)
			ctx, terminate := context.WithCancel(t.Context())
			defer terminate()
			said, ended := start(t, ctx, env, badCard(tc.well))
			said.await(t, "pod is deleted, and keeps its machine")
			select {
			case err := <-ended:
				t.Fatalf("run = %v before it is told to leave", err)
			default:
			}
			terminate()
			if err := <-ended; err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("run = %v, want %q\n%s", err, tc.want, said.text.String())
			}
		})
	}
}

// badCard is a machine's only card, with memory that only a reset mends. It is found well at first, so many times.
func badCard(well int32) *mock.Interface {
	var looks atomic.Int32
	card := &mock.Device{
		GetUUIDFunc:       func() (string, nvml.Return) { return "GPU-1", nvml.SUCCESS },
		GetNameFunc:       func() (string, nvml.Return) { return "Tesla T4", nvml.SUCCESS },
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 16 << 30}, nvml.SUCCESS },
		GetTotalEccErrorsFunc: func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
			return 0, nvml.ERROR_NOT_SUPPORTED
		},
		GetRetiredPagesPendingStatusFunc: func() (nvml.EnableState, nvml.Return) {
			if looks.Add(1) <= well {
				return nvml.FEATURE_DISABLED, nvml.SUCCESS
			}
			return nvml.FEATURE_ENABLED, nvml.SUCCESS
		},
		GetSupportedEventTypesFunc: func() (uint64, nvml.Return) { return 0, nvml.SUCCESS },
	}
	return &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return 1, nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(int) (nvml.Device, nvml.Return) { return card, nvml.SUCCESS },
		ExtensionsFunc:             func() nvml.ExtendedInterface { return oldDriver{} },
		EventSetCreateFunc: func() (nvml.EventSet, nvml.Return) {
			return &mock.EventSet{FreeFunc: func() nvml.Return { return nvml.SUCCESS }}, nvml.SUCCESS
		},
	}
}

// oldDriver knows no function that is optional.
type oldDriver struct{ nvml.ExtendedInterface }

func (oldDriver) LookupSymbol(string) error { return errors.New("not there") }
