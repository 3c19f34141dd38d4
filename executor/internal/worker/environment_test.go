package worker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// uvStandIn knows of no Python but those of the machine, and makes environments without packages.
const uvStandIn = `#!/bin/sh
case "$*" in
*"python list"*) echo '[]' ;;
venv*) while [ $# -gt 2 ]; do shift; done; mkdir "$2/bin" && ln -s "$1" "$2/bin/python" && touch "$2/pyvenv.cfg" ;;
esac
`

// What an experiment uses stays for it; what it has used must not stay for ever.
func TestAnEnvironmentIsInUseUntilItsExperimentEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.worker.FirstUID = 0 // environments of the executor's own are closed to others
	dir := t.TempDir()
	uv := filepath.Join(dir, "uv")
	if err := os.WriteFile(uv, []byte(uvStandIn), 0o755); err != nil {
		t.Fatal(err)
	}
	b.worker.Environments = pyenv.New(pyenv.Config{Dir: dir, UV: uv})
	done := b.begin(b.submit(submission{key: "k1", script: forever}), 1)
	if !inUse(t, dir) {
		t.Error("the environment may be removed while its program runs")
	}
	b.leave()
	<-done
	if inUse(t, dir) {
		t.Error("the environment is still in use")
	}
	if outcome := b.record("k1").Cloud().Attempts[0].Outcome; outcome != record.Drained {
		t.Errorf("the attempt ended as %q", outcome)
	}
}

func inUse(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "rmq_", "envs", "*.use"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
