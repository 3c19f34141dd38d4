package pyenv

import (
	"context"
	"io"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
)

// Config says where environments are kept and how they are built.
type Config struct {
	Dir             string        // absolute; may be shared by the executors of a node; Reader and User must be able to reach it
	UV              string        // path of uv
	Env             []string      // "NAME=value", given to uv: index, TLS and proxy settings
	Path            string        // where to look for interpreters and build tools, before /usr/local/bin and /usr/bin
	User            *process.User // who builds; nil means the executor's own user
	Reader          *process.User // who runs experiments; nil means the executor's own user
	AllowDownload   bool          // let uv download a Python that is not at hand
	CompileBytecode bool          // slower builds, faster starts of programs that import much
	Limit           int64         // bytes that everything in Dir may take, as far as nobody uses it; 0 for no limit
}

// Spec is the environment that an experiment asks for.
type Spec struct {
	Tenant        string
	PythonVersion string   // "3.9", "3", "3.11.2"; empty means any Python 3
	Requirements  []string // as in a requirements file: names with versions, or URLs; never options or local paths
	Log           io.Writer
}

// Environment is a complete one. It stays until it is released.
type Environment struct {
	Dir     string
	Python  string // path of the interpreter inside Dir
	Version string // "3.11.2"
	Cached  bool   // it was there before this call
	Took    time.Duration
	Note    string // a sentence for the experimenter when this is not the Python that was asked for

	hold *hold
}

// Release says that it is not used any more, and may be removed. Releasing twice is harmless, and so is releasing none.
func (e Environment) Release() { e.hold.release() }

// runner runs a program to its end. [process.Run] is the real one.
type runner func(context.Context, process.Spec) (process.Result, error)

// Manager makes environments. Its methods may be called from several goroutines.
type Manager struct {
	cfg     Config
	run     runner
	catalog catalog
	flights flights
	evictor evictor
}

// New returns a Manager. It touches nothing: folders are made and interpreters looked for at the first use.
func New(cfg Config) *Manager { return newManager(cfg, process.Run) }

func newManager(cfg Config, run runner) *Manager {
	return &Manager{cfg: cfg, run: run, evictor: evictor{wake: make(chan struct{}, 1)}}
}

// Ensure returns the environment of s and builds it first if it must. Callers that ask for the same one share one build,
// which ends when the last of them gives up. What uv says goes to s.Log as it comes; nothing is written there after
// Ensure has returned. The caller releases the environment.
func (m *Manager) Ensure(ctx context.Context, s Spec) (Environment, error) {
	start := time.Now()
	requirements, err := pyspec.ParseRequirements(s.Requirements)
	if err != nil {
		return Environment{}, err
	}
	py, note, err := m.interpreter(ctx, s)
	if err != nil {
		return Environment{}, err
	}
	j := job{tenant: s.Tenant, python: py, requirements: requirements}
	held, err := m.hold(ctx, m.place(j).base) // first, so that it is not removed once it was found
	if err != nil {
		return Environment{}, err
	}
	env, ok := m.finished(j)
	if !ok {
		env, err = m.flights.join(ctx, m.place(j).base, s.Log, func(ctx context.Context, log io.Writer) (Environment, error) {
			return m.build(ctx, j, log)
		})
	}
	if err != nil {
		held.release()
		return Environment{}, err
	}
	env.Note, env.Took, env.hold = note, time.Since(start), held
	return env, nil
}

// Interpreters returns the Pythons that experiments can use, looking for them if that was not done yet. The first Ensure
// after it is quicker.
func (m *Manager) Interpreters(ctx context.Context) ([]Interpreter, error) {
	return m.catalog.list(ctx, m.discover)
}
