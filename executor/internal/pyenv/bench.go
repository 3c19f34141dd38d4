package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

// bench is what one build works with. With a User, its cache, its scratch folder and what it builds are the executor's
// and open to the tenant's group only, in which the build runs: builds of another tenant have the same user but another
// group, and experiments neither.
type bench struct {
	m       *Manager
	user    *process.User // nil means the executor's own
	cache   string
	scratch string
}

// cacheName is the folder of a tenant's uv cache, beside its environments.
const cacheName = "uv"

// bench prepares a build at p. The caller removes the scratch folder.
func (m *Manager) bench(ctx context.Context, p place) (bench, error) {
	b := bench{m: m, cache: filepath.Join(p.root, cacheName)}
	if err := makeDirs(filepath.Dir(p.scratch())); err != nil {
		return bench{}, err
	}
	group, err := m.group(ctx, b.cache)
	if err != nil {
		return bench{}, err
	}
	if m.cfg.User != nil {
		b.user = &process.User{UID: m.cfg.User.UID, GID: group}
	}
	b.scratch, err = b.folder(p.scratch())
	return b, err
}

// folder makes a new folder, named prefix and a number, that only the executor and this build may open.
func (b bench) folder(prefix string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(prefix), filepath.Base(prefix)+"*")
	if err != nil {
		return "", fmt.Errorf("make folder for build: %w", err)
	}
	if b.user == nil {
		return dir, nil
	}
	if err := lend(dir, b.user.GID); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}

// lend opens a folder of ours to a group.
func lend(dir string, group uint32) error {
	if err := os.Lchown(dir, os.Geteuid(), int(group)); err != nil {
		return fmt.Errorf("give folder to the build's group (needs the capability CHOWN): %w", err)
	}
	if err := os.Chmod(dir, 0o770); err != nil { //nolint:gosec // the build's group writes
		return fmt.Errorf("open folder to the build's group: %w", err)
	}
	return nil
}

// uv runs uv as the build's user. The environment is made from nothing; extra is one more variable, or empty.
func (b bench) uv(ctx context.Context, out *journal, extra string, args ...string) (process.Result, error) {
	env := []string{
		"PATH=" + b.m.searchPath(), "HOME=" + b.scratch, "TMPDIR=" + b.scratch, "LANG=C.UTF-8",
		"NO_COLOR=1", "GIT_TERMINAL_PROMPT=0",
		"UV_CACHE_DIR=" + b.cache, "UV_LINK_MODE=clone", "UV_NO_CONFIG=1", "UV_NO_PROGRESS=1", "UV_PYTHON_DOWNLOADS=never",
	}
	if b.m.cfg.CompileBytecode {
		env = append(env, "UV_COMPILE_BYTECODE=1")
	}
	env = append(env, b.m.cfg.Env...)
	if extra != "" {
		env = append(env, extra)
	}
	r, err := b.m.run(ctx, process.Spec{
		Argv: append([]string{b.m.cfg.UV}, args...), Dir: b.scratch, Env: env, User: b.user, Output: out,
		Umask: 0o022, // hard links share their mode with the cache
	})
	out.finish()
	switch {
	case err != nil:
		return r, fmt.Errorf("run uv: %w", err)
	case ctx.Err() != nil:
		return r, fmt.Errorf("run uv: %w", context.Cause(ctx))
	case r.Signal != 0:
		return r, fmt.Errorf("run uv: ended by signal %d (%s); was there too little memory?", int(r.Signal), r.Signal)
	}
	return r, nil
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

// tenantDir is the tenant's folder. A tenant whose name is no good name for a folder gets its digest.
func (m *Manager) tenantDir(tenant string) string {
	if !plainName.MatchString(tenant) {
		sum := sha256.Sum256([]byte(tenant))
		tenant = "@" + hex.EncodeToString(sum[:8])
	}
	return filepath.Join(m.cfg.Dir, tenant)
}

// makeDirs makes a folder that everyone may enter, whatever our umask, and leaves one that exists as it is.
func makeDirs(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) { //nolint:gosec // experiments of another user read it
		return nil
	} else if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // as above
}
