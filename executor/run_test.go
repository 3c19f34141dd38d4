package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
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
	go func() { ended <- run(ctx, nil, envconfig.MapLookuper(env), lib, said) }()
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

func TestAnExecutorWhoseOnlyCardIsBadEndsWithAnError(t *testing.T) { //nolint:paralleltest // the client libraries read the environment
	env := cluster(t)
	said, ended := start(t, t.Context(), env, badCard())
	if err := <-ended; !errors.Is(err, worker.ErrUnfit) {
		t.Errorf("run = %v, want %v\n%s", err, worker.ErrUnfit, said.text.String())
	}
}

// badCard is a machine's only card, with memory that only a reset mends.
func badCard() *mock.Interface {
	card := &mock.Device{
		GetUUIDFunc:       func() (string, nvml.Return) { return "GPU-1", nvml.SUCCESS },
		GetNameFunc:       func() (string, nvml.Return) { return "Tesla T4", nvml.SUCCESS },
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 16 << 30}, nvml.SUCCESS },
		GetTotalEccErrorsFunc: func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
			return 0, nvml.ERROR_NOT_SUPPORTED
		},
		GetRetiredPagesPendingStatusFunc: func() (nvml.EnableState, nvml.Return) { return nvml.FEATURE_ENABLED, nvml.SUCCESS },
		GetSupportedEventTypesFunc:       func() (uint64, nvml.Return) { return 0, nvml.SUCCESS },
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
