package localcloud

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, %v; want 0600", file, info.Mode(), err)
	}
	return data
}

func TestKeysOpenAndVerifyWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	k, err := makeKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	private, err := envelope.ParsePrivateKey(read(t, k.request), read(t, k.passphrase))
	if err != nil {
		t.Fatal(err)
	}
	public, err := envelope.ParsePublicKey(read(t, k.requestPublic))
	if err != nil {
		t.Fatal(err)
	}
	signing, err := envelope.ParseSigningKey(read(t, k.signing), nil)
	if err != nil {
		t.Fatal(err)
	}
	read(t, k.tenants)
	source, err := tenant.Open(k.tenants, tenant.SigningKeys(k.signingKeys), tenant.ReportKeys(k.reportKeys),
		tenant.OnFault(func(err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	tenants := source.Tenants()
	body, err := envelope.New(envelope.Header{Status: "waiting"}, []byte(`{}`), public, signing)
	if err != nil {
		t.Fatal(err)
	}
	m, err := envelope.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := tenants.Lookup(sealedPrefix + "_team")
	if err := m.Verify(sealed.SigningKeys...); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if inner, err := m.Open(private); err != nil || string(inner) != `{}` {
		t.Errorf("Open = %s, %v", inner, err)
	}
	otherKey, err := envelope.ParseSigningKey(read(t, k.otherSigning), nil)
	if err != nil {
		t.Fatal(err)
	}
	if other, ok := tenants.Lookup(otherPrefix); !ok || other.Store != otherStore || len(other.SigningKeys) != 1 || other.SigningKeys[0] != otherKey.Public() {
		t.Errorf("the other tenant = %+v, %v; want its key from the folder", other, ok)
	}
	for _, queue := range []string{"rmq_anything", sealedPrefix, otherPrefix} {
		if _, ok := tenants.ReportKey(queue + "_response"); !ok {
			t.Errorf("reports on %s have no reader", queue)
		}
	}
	if open, ok := tenants.Lookup("rmq_anything"); !ok || len(open.SigningKeys) != 0 || open.Store != store {
		t.Errorf("tenant of a clear queue = %+v, %v", open, ok)
	}
}

func TestPoolsAreThisMachineWithAndWithoutCard(t *testing.T) {
	t.Parallel()
	text, err := poolsText(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pools, err := pool.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	cpu, _ := pools.Find(cpuPool)
	gpu, _ := pools.Find(gpuPool)
	if cpu.CPUs < 1 || cpu.RAM < 1<<20 || cpu.HDD < 1<<20 || cpu.GPUs != 0 {
		t.Errorf("pool = %+v; want the machine", cpu)
	}
	if gpu.GPUs != 1 || gpu.GPUSlots != 4 || gpu.GPUMem != 16e9 {
		t.Errorf("pool = %+v; want one card", gpu)
	}
}

func TestProgramsSeeOnlyListedVariables(t *testing.T) {
	t.Parallel()
	c := &Cloud{options: Options{
		Environ: []string{
			"PATH=/bin", "HOME=/root", "AWS_SECRET_ACCESS_KEY=x", "GOOGLE_APPLICATION_CREDENTIALS=x", "UVX=x", "LOG_LEVEL=debug",
			"UV_NATIVE_TLS=1", "https_proxy=p", "PIP_INDEX_URL=https://pip", "UV_DEFAULT_INDEX=https://uv",
		},
		Settings: map[string]string{"LEASE": "3s"}, Executors: map[string]string{"LEASE": "4s"},
	}, folders: folders{home: "/h"}}
	own := map[string]string{"LEASE": "60s", "PORT": "1"}
	env := c.environ("bridge", own)
	if executors := c.environ("executor", own); !slices.Contains(executors, "LEASE=4s") {
		t.Errorf("LEASE=4s is missing in %q", executors)
	}
	for _, want := range []string{"PATH=/bin", "HOME=/h", "UV_NATIVE_TLS=1", "https_proxy=p", "UV_DEFAULT_INDEX=https://uv", "LEASE=3s", "PORT=1", "LOG_LEVEL=INFO"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	for _, secret := range []string{"AWS_SECRET_ACCESS_KEY=x", "GOOGLE_APPLICATION_CREDENTIALS=x", "UVX=x"} {
		if slices.Contains(env, secret) {
			t.Errorf("%s got through", secret)
		}
	}
}

func TestSchedulerGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	third := make(chan struct{})
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("method = %s", r.Method)
		}
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		close(third)
		<-r.Context().Done()
	}))
	defer relay.Close()
	s := &scheduler{url: relay.URL, client: relay.Client(), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { s.run(ctx); close(ended) }()
	<-third
	cancel()
	<-ended
}
