package pyenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// downloadPause is how long a failed download is not tried again, so that an executor that cannot reach the download
// site does not wait for its timeouts before every experiment.
const downloadPause = 10 * time.Minute

// errUV means that uv ran and could not do it.
var errUV = errors.New("uv failed")

func (m *Manager) managedDir() string { return filepath.Join(m.cfg.Dir, ".python") }

// managed returns the Pythons that uv downloaded for us, and those that it has elsewhere (UV_PYTHON_INSTALL_DIR in
// [Config].Env). What is incomplete is left out.
func (m *Manager) managed(ctx context.Context) []string {
	entries, _ := os.ReadDir(m.managedDir()) // none yet
	var paths []string
	for _, e := range entries {
		name, isMarker := strings.CutSuffix(e.Name(), ".json")
		if dir, ok := m.managedPlace(name).current(); isMarker && ok {
			paths = append(paths, pythonsBelow(dir)...)
		}
	}
	return append(paths, m.installed(ctx)...)
}

func (m *Manager) managedPlace(version string) place {
	return place{root: m.managedDir(), base: filepath.Join(m.managedDir(), version)}
}

// pythonsBelow finds dir/cpython-3.9.25-linux-x86_64-gnu/bin/python3.9 and the like.
func pythonsBelow(dir string) []string {
	entries, _ := os.ReadDir(dir) // a folder that cannot be read has no usable Python
	var paths []string
	for _, e := range entries {
		paths = append(paths, pythonsIn(filepath.Join(dir, e.Name(), "bin"))...)
	}
	return paths
}

// installed asks uv. That it cannot tell is no fault: Pythons need not come from uv.
func (m *Manager) installed(ctx context.Context) []string {
	out := &head{limit: 1 << 20}
	r, err := m.run(ctx, process.Spec{
		Argv:   []string{m.cfg.UV, "--no-cache", "--quiet", "python", "list", "--only-installed", "--managed-python", "--output-format", "json"},
		Env:    append([]string{"PATH=/nonexistent", "HOME=/nonexistent", "UV_NO_CONFIG=1"}, m.cfg.Env...),
		User:   m.cfg.User,
		Output: out,
	})
	var list []struct {
		Path string `json:"path"`
	}
	if err != nil || r.ExitCode != 0 || json.Unmarshal(out.text.Bytes(), &list) != nil {
		return nil
	}
	var paths []string
	for _, py := range list {
		paths = append(paths, py.Path)
	}
	return paths
}

// download lets uv install the asked Python. It returns false when uv has none or cannot fetch it, and then does not try
// again for a while. No foreign code runs: uv unpacks an archive whose digest it knows.
func (m *Manager) download(ctx context.Context, asked version, log io.Writer) (Interpreter, bool, error) {
	name := asked.String()
	if !m.catalog.mayTry(name) {
		return Interpreter{}, false, nil
	}
	switch err := m.installPython(ctx, name, log); {
	case errors.Is(err, errUV):
		m.catalog.failed(name)
		return Interpreter{}, false, nil
	case err != nil:
		return Interpreter{}, false, err
	}
	m.catalog.forget()
	have, err := m.Interpreters(ctx)
	if err != nil {
		return Interpreter{}, false, err
	}
	py, ok := matching(asked, have)
	if !ok { // the experiments' user cannot run it
		m.catalog.failed(name)
	}
	return py, ok, nil
}

func (m *Manager) installPython(ctx context.Context, name string, log io.Writer) error {
	there := func(string) bool { return true }
	_, err := m.make(ctx, m.managedPlace(name), there, func(dir string, b bench) error {
		said := newJournal(log)
		r, err := b.uv(ctx, said, "UV_PYTHON_DOWNLOADS=automatic", "python", "install", "--no-bin", "--install-dir", dir, name)
		if err == nil && r.ExitCode != 0 {
			err = fmt.Errorf("%w: download Python %s: %s", errUV, name, said.tail())
		}
		return err
	})
	return err
}

func (c *catalog) mayTry(version string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.tried[version]
	return !ok || time.Since(at) > downloadPause
}

func (c *catalog) failed(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried == nil {
		c.tried = map[string]time.Time{}
	}
	c.tried[version] = time.Now()
}
