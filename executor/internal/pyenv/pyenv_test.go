package pyenv

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

var numpy = Spec{Tenant: "rmq_", PythonVersion: "3.11", Requirements: []string{"numpy==1.26.4"}}

func TestEnsureBuildsOnceAndThenRunsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	first := b.mustEnsure(t, numpy)
	if first.Cached || first.Version != "3.11.2" || first.Python != filepath.Join(first.Dir, "bin", "python") {
		t.Errorf("first Ensure = %+v", first)
	}
	ran := b.programs.count("")
	again := b.mustEnsure(t, numpy)
	if !again.Cached || again.Dir != first.Dir {
		t.Errorf("second Ensure = %+v, want %s again", again, first.Dir)
	}
	if n := b.programs.count("") - ran; n != 0 {
		t.Errorf("a warm Ensure ran %d programs", n)
	}
}

func TestEnvironmentWithoutRequirementsNeedsNoInstallation(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.mustEnsure(t, Spec{Tenant: "rmq_"})
	if n := b.programs.count("pip install"); n != 0 {
		t.Errorf("pip install ran %d times for nothing", n)
	}
}

func TestEnvironmentsAreTheSameWhateverTheOrderAndSpelling(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2", "3.9.18")
	dir := func(s Spec) string { t.Helper(); return b.mustEnsure(t, s).Dir }
	want := dir(Spec{Tenant: "a", PythonVersion: "3.11", Requirements: []string{"numpy", "scikit-learn[x]>=1"}})
	same := dir(Spec{Tenant: "a", PythonVersion: "3", Requirements: []string{" Scikit_Learn [x] >=1 # pinned", "numpy", "", "NumPy"}})
	if same != want {
		t.Errorf("spelled otherwise: %s, want %s", same, want)
	}
	for name, s := range map[string]Spec{
		"another tenant":       {Tenant: "b", PythonVersion: "3.11", Requirements: []string{"numpy", "scikit-learn[x]>=1"}},
		"another Python":       {Tenant: "a", PythonVersion: "3.9", Requirements: []string{"numpy", "scikit-learn[x]>=1"}},
		"another requirement":  {Tenant: "a", PythonVersion: "3.11", Requirements: []string{"numpy", "scikit-learn[x]>=2"}},
		"one requirement less": {Tenant: "a", PythonVersion: "3.11", Requirements: []string{"numpy"}},
	} {
		if dir(s) == want {
			t.Errorf("%s shares the environment", name)
		}
	}
}

func TestEverybodyWhoAsksAtOnceSharesOneBuild(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	other := b.sibling() // another executor on the node
	started, let := b.programs.gate()
	var wg sync.WaitGroup
	for i := range 20 {
		m := []*Manager{b.Manager, other}[i%2]
		wg.Go(func() {
			if _, err := m.Ensure(t.Context(), numpy); err != nil {
				t.Error(err)
			}
		})
	}
	<-started
	close(let)
	wg.Wait()
	if n := b.programs.count("pip install"); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func TestBuildGoesOnWhenItsFirstCallerLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	started, let := b.programs.gate()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the experiment was stopped")
	left, got := make(chan error, 1), make(chan error, 1)
	go func() { _, err := b.Ensure(ctx, numpy); left <- err }()
	<-started
	go func() { _, err := b.Ensure(t.Context(), numpy); got <- err }()
	b.awaitCallers(t, 2)
	cancel(why)
	if err := <-left; !errors.Is(err, why) {
		t.Errorf("the caller who left got %v", err)
	}
	close(let)
	if err := <-got; err != nil || b.programs.count("pip install") != 1 {
		t.Errorf("the caller who stayed got %v after %d builds", err, b.programs.count("pip install"))
	}
}

// awaitCallers returns when n callers share a build.
func (b bundle) awaitCallers(t *testing.T, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		b.flights.mu.Lock()
		callers := 0
		for _, fl := range b.flights.flying {
			callers += fl.callers
		}
		b.flights.mu.Unlock()
		if callers == n {
			return
		}
		runtime.Gosched()
	}
}

func TestBuildEndsWithItsLastCallerAndLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	started, _ := b.programs.gate()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("drained")
	go func() { <-started; cancel(why) }()
	if _, err := b.Ensure(ctx, numpy); !errors.Is(err, why) {
		t.Errorf("Ensure = %v", err)
	}
	b.isEmpty(t)
}

// isEmpty checks that no environment and no scratch folder is there.
func (b bundle) isEmpty(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*/envs/*-*", "*/envs/*.json", "*/tmp/*"} {
		if left, _ := filepath.Glob(filepath.Join(b.cfg.Dir, pattern)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestFailedBuildLeavesNothingAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.programs.fails(2, "error: Failed to fetch: https://index.test/simple/numpy/\n  cause: Connection refused (os error 111)\n")
	var unmet *RequirementsError
	if _, err := b.Ensure(t.Context(), numpy); err == nil || errors.As(err, &unmet) {
		t.Errorf("Ensure = %v, want an infrastructure error", err)
	}
	b.isEmpty(t)
	b.programs.fails(0, "")
	b.mustEnsure(t, numpy)
}

func TestHalfBuiltEnvironmentIsRemovedAndBuiltAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	good := b.mustEnsure(t, numpy)
	marker := b.marker(t)
	half := strings.TrimSuffix(marker, ".json") + "-1"
	for name, damage := range map[string]func() error{
		"no marker":        func() error { return os.Remove(marker) },
		"empty marker":     func() error { return os.Truncate(marker, 0) },
		"marker of others": func() error { return os.WriteFile(marker, []byte(`{"dir":"../../../etc"}`), 0o600) },
	} {
		if err := errors.Join(os.MkdirAll(half, 0o755), damage()); err != nil {
			t.Fatal(err)
		}
		built := b.programs.count("pip install")
		again := b.mustEnsure(t, numpy)
		if again.Cached || again.Dir == good.Dir || b.programs.count("pip install") != built+1 {
			t.Errorf("%s: Ensure = %+v", name, again)
		}
		for _, dir := range []string{good.Dir, half} {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is still there", name, dir)
			}
		}
		good = again
	}
}

func (b bundle) marker(t *testing.T) string {
	t.Helper()
	markers, err := filepath.Glob(filepath.Join(b.cfg.Dir, "*", "envs", "*.json"))
	if err != nil || len(markers) != 1 {
		t.Fatalf("markers: %v, %v", markers, err)
	}
	return markers[0]
}

func TestEnvironmentThatWasDamagedIsBuiltAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(Environment) error{
		"removed":              func(e Environment) error { return os.RemoveAll(e.Dir) },
		"interpreter removed":  func(e Environment) error { return os.Remove(e.Python) },
		"interpreter dangling": func(e Environment) error { return errors.Join(os.Remove(e.Python), os.Symlink("/no/such", e.Python)) },
		"settings removed":     func(e Environment) error { return os.Remove(filepath.Join(e.Dir, "pyvenv.cfg")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "3.11.2")
			if err := damage(b.mustEnsure(t, numpy)); err != nil {
				t.Fatal(err)
			}
			if again := b.mustEnsure(t, numpy); again.Cached || !usable(again.Dir) {
				t.Errorf("Ensure = %+v", again)
			}
		})
	}
}

func TestInterpreterThatChangedIsProbedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	old := b.mustEnsure(t, numpy)
	for path := range b.programs.versions { // as a package upgrade does
		b.programs.versions[path] = "3.11.9"
		if err := os.WriteFile(path, []byte("python 3.11.9, longer"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if now := b.mustEnsure(t, numpy); now.Version != "3.11.9" || now.Dir == old.Dir {
		t.Errorf("Ensure = %+v", now)
	}
}

func TestBuildSpeaksToEveryCallersLogWithoutPasswords(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.programs.fails(0, "Looking at https://reader:hunter2@index.test/simple\nwarning: Failed to hardlink files; falling back\n         If the cache\n + numpy==1.26.4")
	var said log
	s := numpy
	s.Log = &said
	b.mustEnsure(t, s)
	if got, want := said.String(), "Looking at https://[redacted]@index.test/simple\n + numpy==1.26.4\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestBuildsEnvironmentIsMadeFromNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.mustEnsure(t, numpy)
	for _, s := range b.programs.ran {
		if !slices.Contains(s.Argv, "pip") {
			continue
		}
		if !slices.Contains(s.Env, b.cfg.Env[0]) || !slices.Contains(s.Env, "UV_CACHE_DIR="+filepath.Join(b.cfg.Dir, "rmq_", "uv")) {
			t.Errorf("environment %q", s.Env)
		}
		if strings.Contains(strings.Join(s.Argv, " "), "numpy") {
			t.Errorf("the requirement is an argument: %q", s.Argv)
		}
		for _, v := range s.Env {
			if name, value, _ := strings.Cut(v, "="); name == "HOME" && (value == os.Getenv("HOME") || s.Dir != value) {
				t.Errorf("HOME %s, working directory %s", value, s.Dir)
			}
		}
	}
}

func TestMissingUVIsTheInfrastructuresFault(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.cfg.UV = filepath.Join(t.TempDir(), "uv")
	real := newManager(b.cfg, func(ctx context.Context, s process.Spec) (process.Result, error) {
		if s.Argv[0] == b.cfg.UV {
			return process.Run(ctx, s)
		}
		return b.programs.run(ctx, s)
	})
	if _, err := real.Ensure(t.Context(), numpy); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "run uv") {
		t.Errorf("Ensure = %v", err)
	}
}

func TestTenantsNameStaysInsideTheFolder(t *testing.T) {
	t.Parallel()
	m := New(Config{Dir: "/cache"})
	for _, tenant := range []string{"rmq_", "..", "../x", "a/b", ".python", "", "rmq_\n", strings.Repeat("x", 300)} {
		dir := m.tenantDir(tenant)
		if filepath.Dir(dir) != "/cache" || len(dir) > 100 || filepath.Base(dir)[0] == '.' {
			t.Errorf("tenant %q has folder %q", tenant, dir)
		}
	}
}

func BenchmarkWarmEnsure(b *testing.B) {
	bin := b.TempDir()
	python := filepath.Join(bin, "python3.11")
	if err := os.WriteFile(python, []byte("python"), 0o755); err != nil {
		b.Fatal(err)
	}
	programs := &fakePrograms{versions: map[string]string{python: "3.11.2"}}
	m := newManager(Config{Dir: b.TempDir(), UV: "/opt/uv", Path: bin}, programs.run)
	for b.Loop() {
		if _, err := m.Ensure(b.Context(), numpy); err != nil {
			b.Fatal(err)
		}
	}
}
