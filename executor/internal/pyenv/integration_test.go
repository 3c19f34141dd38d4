//go:build integration

package pyenv

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// realUV finds uv: UV, PATH, or bin/uv under the module. These tests are worth nothing without it.
func realUV(tb testing.TB) string {
	tb.Helper()
	if uv := os.Getenv("UV"); uv != "" {
		return uv
	}
	if uv, err := exec.LookPath("uv"); err == nil {
		return uv
	}
	uv, err := filepath.Abs("../../../bin/uv")
	if _, statErr := os.Stat(uv); err != nil || statErr != nil {
		tb.Fatal("no uv: set UV to its path, put it on PATH, or into bin/ of the module (python3 -m venv DIR && DIR/bin/pip install uv)")
	}
	return uv
}

// shared is a folder that other users can reach, unlike t.TempDir.
func shared(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pyenv") //nolint:usetesting // its folder is for its owner only
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// reachableUV is a copy of uv that every user can run.
func reachableUV(tb testing.TB, dir string) string {
	tb.Helper()
	data, err := os.ReadFile(realUV(tb))
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "uv")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		tb.Fatal(err)
	}
	return path
}

// realConfig builds and reads as users of their own where the test may become them, as the executor does.
func realConfig(tb testing.TB) Config {
	tb.Helper()
	dir := shared(tb)
	cfg := Config{Dir: filepath.Join(dir, "cache"), UV: reachableUV(tb, dir), Env: uvEnv()}
	if os.Geteuid() == 0 {
		cfg.User, cfg.Reader = &process.User{UID: 64101, GID: 64101}, &process.User{UID: 64102, GID: 64102}
	}
	return cfg
}

func ensure(tb testing.TB, m *Manager, s Spec) Environment {
	tb.Helper()
	env, err := m.Ensure(tb.Context(), s)
	if err != nil {
		tb.Fatal(err)
	}
	return env
}

// asReader runs the environment's Python as experiments do.
func asReader(t *testing.T, cfg Config, env Environment, script string) (string, int) {
	t.Helper()
	var out log
	r, err := process.Run(t.Context(), process.Spec{Argv: []string{env.Python, "-c", script}, User: cfg.Reader, Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), r.ExitCode
}

// packages serves source packages made of a setup.py, each at its name.
func packages(t *testing.T, setups map[string]string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-")
		script, ok := setups[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(sdist(name, script))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func sdist(name, script string) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	setup := fmt.Sprintf("import os, sys, time\n%s\nfrom setuptools import setup\nsetup(name=%q, version='1.0', py_modules=[])\n", script, name)
	for file, text := range map[string]string{"setup.py": setup, "PKG-INFO": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n"} {
		_ = tw.WriteHeader(&tar.Header{Name: name + "-1.0/" + file, Mode: 0o644, Size: int64(len(text))})
		_, _ = tw.Write([]byte(text))
	}
	_, _ = tw.Close(), zw.Close()
	return buf.Bytes()
}

func TestRealEnvironmentImportsWhatWasAsked(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	m := New(cfg)
	var said log
	env := ensure(t, m, Spec{Tenant: "rmq_", PythonVersion: "3", Requirements: []string{"six==1.16.0", "idna"}, Log: &said})
	got, code := asReader(t, cfg, env, "import six, idna, sys; print(six.__version__, sys.prefix)")
	if code != 0 || got != "1.16.0 "+env.Dir {
		t.Errorf("python said %q and exited with %d", got, code)
	}
	if !strings.Contains(said.String(), "six==1.16.0") {
		t.Errorf("log %q", &said)
	}
	again := ensure(t, New(cfg), Spec{Tenant: "rmq_", Requirements: []string{"idna", "six==1.16.0"}})
	if !again.Cached || again.Dir != env.Dir {
		t.Errorf("another executor got %+v", again)
	}
	if again = ensure(t, m, Spec{Tenant: "rmq_", Requirements: []string{"idna", "six==1.16.0"}}); again.Took > 50*time.Millisecond {
		t.Errorf("a warm Ensure took %s", again.Took)
	}
}

func TestRealEnvironmentCannotBeChangedByExperimentsOrBuilders(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	if cfg.User == nil {
		t.Skip("needs root, to become other users")
	}
	m := New(cfg)
	for _, requirements := range [][]string{{"six"}, {"six", "idna"}} { // the second finds six in the cache, with its file ours
		env := ensure(t, m, Spec{Tenant: "rmq_", Requirements: requirements})
		err := filepath.WalkDir(env.Dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || e.Type()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o022 != 0 {
				t.Errorf("%s belongs to %d, %s", path, st.Uid, info.Mode())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, code := asReader(t, cfg, env, "import six; open(six.__file__, 'a')"); code == 0 || !strings.Contains(got, "PermissionError") {
			t.Errorf("an experiment could write: %q", got)
		}
	}
}

func TestRealInterpreterInAnotherUsersHomeIsNotUsed(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	if cfg.Reader == nil {
		t.Skip("needs root, to become other users")
	}
	found, err := New(cfg).Interpreters(t.Context())
	if err != nil || len(found) == 0 {
		t.Fatalf("Interpreters = %v, %v", found, err)
	}
	data, err := os.ReadFile(found[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Path = t.TempDir() // for its owner only
	hidden := filepath.Join(cfg.Path, "python3")
	if err := os.WriteFile(hidden, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{"others": cfg, "its owner": {Dir: cfg.Dir, UV: cfg.UV, Path: cfg.Path}} {
		found, err := New(c).Interpreters(t.Context())
		listed := slices.ContainsFunc(found, func(py Interpreter) bool { return py.Path == hidden })
		if err != nil || listed != (name == "its owner") {
			t.Errorf("for %s: Interpreters = %v, %v", name, found, err)
		}
	}
}

// A build is foreign code: it must not reach the executor, another tenant's cache, or a finished environment.
func TestBuildReachesNothingButItsOwnTenantsThings(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	if cfg.User == nil {
		t.Skip("needs root, to become other users")
	}
	m := New(cfg)
	victim := ensure(t, m, Spec{Tenant: "victim_", Requirements: []string{"six"}})
	srv := packages(t, map[string]string{"probe": fmt.Sprintf(`
def can(what, do):
    try: do(); print("REACHED", what)
    except OSError: pass
can("cache", lambda: os.listdir(%q))
can("environment", lambda: open(%q + "/lib/evil.py", "w"))
can("interpreter", lambda: os.unlink(%q))
can("folder", lambda: os.mkdir(%q))
can("marker", lambda: open(%q + "/envs/x.json", "w"))
print("IDS", os.getresuid(), os.getresgid(), os.getgroups())
print("ENV", sorted(os.environ))
sys.exit("enough")
`, cfg.Dir+"/victim_/uv", victim.Dir, victim.Python, cfg.Dir+"/mine", cfg.Dir+"/probe_")})
	_, err := m.Ensure(t.Context(), Spec{Tenant: "probe_", Requirements: []string{"probe @ " + srv.URL + "/probe-1.0.tar.gz"}})
	var unmet *RequirementsError
	if !errors.As(err, &unmet) || !strings.Contains(unmet.Output, "enough") || !strings.Contains(unmet.Requirement, "probe") {
		t.Fatalf("Ensure = %v", err)
	}
	if strings.Contains(unmet.Output, "REACHED") || !strings.Contains(unmet.Output, "IDS (64101, 64101, 64101) (3000") {
		t.Errorf("the build said %s", unmet.Output)
	}
}

func TestRealFailuresAreToldApart(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(ill.Close)
	for name, tc := range map[string]struct {
		requirements []string
		env          []string
		culprit      string
	}{
		"no such package":  {requirements: []string{"six", "no-such-package-of-studioml"}, culprit: "no-such-package-of-studioml"},
		"no such version":  {requirements: []string{"six==99.1"}, culprit: "six==99.1"},
		"conflict":         {requirements: []string{"idna<2", "requests==2.31.0"}, culprit: "requests==2.31.0"},
		"not a specifier":  {requirements: []string{"six=1.16"}, culprit: "six=1.16"},
		"no such file":     {requirements: []string{"six @ " + ill.URL[:len("http://127.0.0.1")] + ":1/six-1.0-py3-none-any.whl"}},
		"index is ill":     {requirements: []string{"six"}, env: []string{"UV_DEFAULT_INDEX=" + ill.URL, "UV_HTTP_RETRIES=0"}},
		"index is nowhere": {requirements: []string{"six"}, env: []string{"UV_DEFAULT_INDEX=http://reader:hunter2@127.0.0.1:1", "UV_HTTP_RETRIES=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cfg
			c.Env = append(append([]string{"UV_HTTP_RETRIES=0"}, cfg.Env...), tc.env...)
			_, err := New(c).Ensure(t.Context(), Spec{Tenant: "rmq_", Requirements: tc.requirements})
			var unmet *RequirementsError
			if err == nil || errors.As(err, &unmet) != (tc.culprit != "") || tc.culprit != "" && unmet.Requirement != tc.culprit {
				t.Errorf("Ensure = %v", err)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
}

func TestManyAskingAtOnceBuildOnce(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	managers := []*Manager{New(cfg), New(cfg)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	dirs := map[string]int{}
	for i := range 16 {
		wg.Go(func() {
			env, err := managers[i%2].Ensure(t.Context(), Spec{Tenant: "rmq_", Requirements: []string{"six"}})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			dirs[env.Dir]++
		})
	}
	wg.Wait()
	if made, _ := filepath.Glob(filepath.Join(cfg.Dir, "rmq_", "envs", "*-*")); len(dirs) != 1 || len(made) != 1 {
		t.Errorf("environments %v, on disk %v", dirs, made)
	}
}

func TestEnvironmentHalfBuiltByAKilledExecutorIsBuiltAgain(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	cfg.User, cfg.Reader = nil, nil // the killed executor has none either
	asked, let := make(chan struct{}, 10), make(chan struct{})
	srv := packages(t, map[string]string{"slow": ""})
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-let:
		case <-r.Context().Done():
			return
		}
		http.Redirect(w, r, srv.URL+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(gate.Close)
	requirement := "slow @ " + gate.URL + "/slow-1.0.tar.gz"
	victim := exec.CommandContext(t.Context(), os.Args[0], "as-executor", cfg.UV, cfg.Dir, requirement)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked // the virtual environment is there, its package is not
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	half, _ := filepath.Glob(filepath.Join(cfg.Dir, "t", "envs", "*-*"))
	close(let)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	env, err := New(cfg).Ensure(ctx, Spec{Tenant: "t", Requirements: []string{requirement}})
	if err != nil || env.Cached || len(half) != 1 || half[0] == env.Dir {
		t.Fatalf("Ensure = %+v, %v; half-built: %v", env, err, half)
	}
	if _, err := os.Stat(half[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", half[0], err)
	}
}

// The budget: a cold Ensure costs at most 1.1 of a bare uv pip install with an equally cold cache.
func BenchmarkColdEnsureAgainstBareUV(b *testing.B) {
	cfg := realConfig(b)
	requirements := []string{"numpy", "pandas", "requests"}
	var ours, bare time.Duration
	for b.Loop() {
		m := New(Config{Dir: filepath.Join(shared(b), "cache"), UV: cfg.UV, Env: cfg.Env, User: cfg.User, Reader: cfg.Reader})
		if _, err := m.Interpreters(b.Context()); err != nil {
			b.Fatal(err)
		}
		py := ensure(b, m, Spec{Tenant: "warm"})
		ours += ensure(b, m, Spec{Tenant: "rmq_", Requirements: requirements}).Took
		bare += bareUV(b, cfg, py.Python, requirements)
	}
	b.ReportMetric(float64(ours)/float64(bare), "of-bare-uv")
}

func bareUV(b *testing.B, cfg Config, python string, requirements []string) time.Duration {
	b.Helper()
	dir := shared(b)
	env := append([]string{"PATH=/usr/bin:/bin", "HOME=" + dir, "UV_CACHE_DIR=" + dir + "/uv"}, cfg.Env...)
	run := func(args ...string) {
		cmd := exec.CommandContext(b.Context(), cfg.UV, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("uv %v: %v: %s", args, err, out)
		}
	}
	run("venv", "--quiet", "--python", python, dir+"/venv")
	start := time.Now()
	run(append([]string{"pip", "install", "--quiet", "--python", dir + "/venv/bin/python"}, requirements...)...)
	return time.Since(start)
}
