package pyenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

func TestMain(m *testing.M) {
	process.LauncherMain()
	if len(os.Args) == 5 && os.Args[1] == "as-executor" {
		asExecutor(os.Args[2], os.Args[3], os.Args[4])
	}
	goleak.VerifyTestMain(m)
}

// asExecutor is the test binary as another executor, which a test can kill.
func asExecutor(uv, dir, requirement string) {
	m := New(Config{Dir: dir, UV: uv, Env: uvEnv()})
	if _, err := m.Ensure(context.Background(), Spec{Tenant: "t", Requirements: []string{requirement}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// uvEnv is how uv reaches the index from where the tests run.
func uvEnv() []string {
	var env []string
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// bundle is a manager over programs that are not run.
type bundle struct {
	*Manager
	programs *fakePrograms
	bin      string // the folder of PATH in which its Pythons lie
}

// setup returns a manager that finds Pythons of these versions on its PATH.
func setup(t *testing.T, versions ...string) bundle {
	t.Helper()
	b := bundle{bin: t.TempDir(), programs: &fakePrograms{versions: map[string]string{}}}
	for _, v := range versions {
		b.addPython(t, v)
	}
	cfg := Config{Dir: t.TempDir(), UV: "/opt/uv", Path: b.bin, Env: []string{"UV_DEFAULT_INDEX=https://reader:hunter2@index.test/simple"}}
	b.Manager = newManager(cfg, b.programs.run)
	return b
}

// addPython puts a Python there; which one, its content tells.
func (b bundle) addPython(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(b.bin, version)
	path := filepath.Join(dir, "python")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte("python "+version), 0o755)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(b.bin, fmt.Sprintf("python3.%d", 100+len(b.programs.versions)))
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	b.programs.versions[path] = version
	return path
}

// sibling is another executor that shares the folder.
func (b bundle) sibling() *Manager { return newManager(b.cfg, b.programs.run) }

func (b bundle) mustEnsure(t *testing.T, s Spec) Environment {
	t.Helper()
	env, err := b.Ensure(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// fakePrograms stands in for uv and for the Pythons that it lies about.
type fakePrograms struct {
	versions map[string]string // of the probed paths; others cannot be run

	mu       sync.Mutex
	ran      []process.Spec
	download string                                                 // the path that `uv python install` provides a Python at, below its folder
	onFill   func(ctx context.Context, s process.Spec) (int, error) // `uv pip install`; nil succeeds
}

func (f *fakePrograms) run(ctx context.Context, s process.Spec) (process.Result, error) {
	f.mu.Lock()
	f.ran = append(f.ran, s)
	onFill := f.onFill
	f.mu.Unlock()
	code, err := 0, error(nil)
	switch line := strings.Join(s.Argv, " "); {
	case strings.Contains(line, "python list"):
		_, err = io.WriteString(s.Output, "[]")
	case strings.Contains(line, "python install"):
		code, err = f.installPython(s)
	case strings.Contains(line, " venv "):
		err = makeVenv(s.Argv[len(s.Argv)-2], s.Argv[len(s.Argv)-1])
	case strings.Contains(line, " pip install "):
		if onFill != nil {
			code, err = onFill(ctx, s)
		}
	default:
		code, err = f.probe(s)
	}
	return process.Result{ExitCode: code}, err
}

func (f *fakePrograms) probe(s process.Spec) (int, error) {
	version, ok := f.versions[s.Argv[0]]
	if !ok {
		return 126, nil
	}
	_, err := fmt.Fprintln(s.Output, version, s.Argv[0])
	return 0, err
}

func (f *fakePrograms) installPython(s process.Spec) (int, error) {
	if f.download == "" {
		_, err := io.WriteString(s.Output, "error: Failed to download Python\n")
		return 1, err
	}
	path := filepath.Join(s.Argv[len(s.Argv)-2], f.download)
	f.versions[path] = s.Argv[len(s.Argv)-1] + ".25"
	return 0, errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("python"), 0o755))
}

func makeVenv(python, dir string) error {
	return errors.Join(
		os.Mkdir(filepath.Join(dir, "bin"), 0o755),
		os.Symlink(python, filepath.Join(dir, "bin", "python")),
		os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), nil, 0o644))
}

// count is how many programs ran whose command line holds text.
func (f *fakePrograms) count(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.ran {
		if strings.Contains(strings.Join(s.Argv, " "), text) {
			n++
		}
	}
	return n
}

// fails makes `uv pip install` say text and exit with code.
func (f *fakePrograms) fails(code int, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onFill = func(_ context.Context, s process.Spec) (int, error) {
		_, err := io.WriteString(s.Output, text)
		return code, err
	}
}

// gate makes `uv pip install` tell that it started and wait until it is let go or cancelled.
func (f *fakePrograms) gate() (started <-chan struct{}, let chan<- struct{}) {
	in, out := make(chan struct{}, 100), make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onFill = func(ctx context.Context, s process.Spec) (int, error) {
		in <- struct{}{}
		select {
		case <-out:
			return 0, nil
		case <-ctx.Done():
			return 143, nil
		}
	}
	return in, out
}

// log is a bytes.Buffer for several writers.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
