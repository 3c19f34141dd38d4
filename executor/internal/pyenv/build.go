package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// job is one environment. Equal jobs have equal environments.
type job struct {
	tenant       string
	python       Interpreter
	requirements []string
}

func (m *Manager) place(j job) place {
	root := m.tenantDir(j.tenant)
	return place{root: root, base: filepath.Join(root, "envs", m.key(j))}
}

// key changes with whatever makes an environment another one. The first item is the layout's version.
func (m *Manager) key(j job) string {
	data, err := json.Marshal([]any{1, j.tenant, j.python.Path, j.python.Version, m.cfg.CompileBytecode, j.requirements})
	if err != nil {
		panic("strings, numbers and booleans are JSON")
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:12]) // short: the path is in the first line of every script, which the kernel limits
}

// finished returns the environment if it is complete. No program runs for that.
func (m *Manager) finished(j job) (Environment, bool) {
	dir, ok := m.place(j).current()
	if !ok || !usable(dir) {
		return Environment{}, false
	}
	return environment(dir, j, true), true
}

// usable is false when the interpreter that the environment leads to has gone.
func usable(dir string) bool {
	info, err := os.Stat(pythonOf(dir))
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || info.Size() == 0 {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}

func pythonOf(dir string) string { return filepath.Join(dir, "bin", "python") }

func environment(dir string, j job, cached bool) Environment {
	return Environment{Dir: dir, Python: pythonOf(dir), Version: j.python.Version, Cached: cached}
}

func (m *Manager) build(ctx context.Context, j job, log io.Writer) (Environment, error) {
	at := m.place(j)
	cached, err := m.make(ctx, at, usable, func(dir string, b bench) error {
		if err := venv(ctx, b, dir, j, log); err != nil {
			return err
		}
		return install(ctx, b, dir, j, log)
	})
	if err != nil {
		return Environment{}, fmt.Errorf("build environment with Python %s: %w", j.python.Version, err)
	}
	dir, ok := at.current()
	if !ok {
		return Environment{}, fmt.Errorf("build environment with Python %s: it was removed at once", j.python.Version)
	}
	return environment(dir, j, cached), nil
}

func venv(ctx context.Context, b bench, dir string, j job, log io.Writer) error {
	said := newJournal(log)
	r, err := b.uv(ctx, said, "", "venv", "--quiet", "--no-project", "--python", j.python.Path, dir)
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("%w: make virtual environment: %s", errUV, said.tail())
	}
	return err
}

func install(ctx context.Context, b bench, dir string, j job, log io.Writer) error {
	if len(j.requirements) == 0 {
		return nil
	}
	file := filepath.Join(b.scratch, "requirements.txt")
	text := strings.Join(j.requirements, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // the build reads it; its folder is closed to others
		return fmt.Errorf("write requirements: %w", err)
	}
	said := newJournal(log)
	r, err := b.uv(ctx, said, "", "pip", "install", "--python", pythonOf(dir), "--requirements", file)
	if err != nil || r.ExitCode == 0 {
		return err
	}
	return verdict(r.ExitCode, said.lines, j)
}
