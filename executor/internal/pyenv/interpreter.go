package pyenv

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// Interpreter is a Python that the experiments' user can run.
type Interpreter struct {
	Path    string // without symbolic links
	Version string // "3.11.2"
	version version
	state   fileState
}

// fileState tells whether a file is still the one that was probed.
type fileState struct {
	inode uint64
	size  int64
	mtime time.Time
}

func stateOf(path string) (fileState, bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fileState{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileState{}, false
	}
	return fileState{inode: st.Ino, size: info.Size(), mtime: info.ModTime()}, true
}

// catalog remembers interpreters until one of them changes or goes.
type catalog struct {
	mu    sync.Mutex
	known []Interpreter
	tried map[string]time.Time // failed downloads by version
}

func (c *catalog) list(ctx context.Context, discover func(context.Context) ([]Interpreter, error)) ([]Interpreter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh() {
		return c.known, nil
	}
	found, err := discover(ctx)
	if err != nil {
		return nil, err
	}
	c.known = found
	return found, nil
}

// fresh is false when nothing is known, so that a Python that is added later is found.
func (c *catalog) fresh() bool {
	for _, py := range c.known {
		if now, ok := stateOf(py.Path); !ok || now != py.state {
			return false
		}
	}
	return len(c.known) > 0
}

// forget makes the next list look again.
func (c *catalog) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
}

var pythonName = regexp.MustCompile(`^python3(\.[0-9]+)?$`)

// discover looks for interpreters where they usually are and keeps those that the experiments' user can run. A Python
// in a home folder, say, is often for its owner only.
func (m *Manager) discover(ctx context.Context) ([]Interpreter, error) {
	seen := map[string]bool{}
	var found []Interpreter
	for _, candidate := range append(m.onPath(), m.managed(ctx)...) {
		real, err := filepath.EvalSymlinks(candidate)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		py, ok := m.probe(ctx, real)
		if ok && (py.Path == real || !seen[py.Path]) {
			seen[py.Path] = true
			found = append(found, py)
		}
	}
	return found, context.Cause(ctx) // a probe that was interrupted says nothing about its Python
}

func (m *Manager) onPath() []string {
	var paths []string
	for _, dir := range filepath.SplitList(m.searchPath()) {
		if filepath.IsAbs(dir) {
			paths = append(paths, pythonsIn(dir)...)
		}
	}
	return paths
}

func pythonsIn(dir string) []string {
	entries, _ := os.ReadDir(dir) // a folder of PATH need not exist
	var paths []string
	for _, e := range entries {
		if pythonName.MatchString(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

func (m *Manager) searchPath() string {
	return strings.TrimPrefix(m.cfg.Path+":/usr/local/bin:/usr/bin:/bin", ":")
}

const (
	// probeTimeout is long: a Python on a cold network disk takes seconds for its first start.
	probeTimeout = 20 * time.Second
	// probeScript prints the version and the binary itself, which differs from what was started for a wrapper script
	// and for a virtual environment.
	probeScript = `import os, sys; print("%d.%d.%d" % sys.version_info[:3], os.path.realpath(sys.executable))`
)

// probe runs the interpreter as the experiments' user.
func (m *Manager) probe(ctx context.Context, path string) (Interpreter, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out := &head{limit: 4096}
	r, err := m.run(ctx, process.Spec{
		Argv: []string{path, "-I", "-c", probeScript}, Env: []string{"LANG=C.UTF-8"}, User: m.cfg.Reader, Output: out,
	})
	if err != nil || r.ExitCode != 0 {
		return Interpreter{}, false
	}
	line, _, _ := strings.Cut(out.text.String(), "\n")
	text, real, _ := strings.Cut(line, " ")
	v, err := parseVersion(text)
	state, exists := stateOf(real)
	return Interpreter{Path: real, Version: text, version: v, state: state}, err == nil && exists && v.patch >= 0
}
