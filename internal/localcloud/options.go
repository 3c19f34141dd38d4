package localcloud

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
)

// Options say what to run and where. Dir and Bin are needed.
type Options struct {
	Dir           string            // of all state; made if need be
	Temporary     bool              // Dir is removed by [Cloud.Close]
	Bin           string            // the folder of bridge, finalize and executor
	UV            string            // the program that builds Python environments; uv on PATH if empty
	Logs          io.Writer         // everything that is also in the log files; may be nil
	LogLevel      slog.Level        // of the programs
	ExperimentUID uint32            // 0: experiments run as this process's user
	Environ       []string          // where the programs' package index, proxy and certificate settings come from; this process's if nil
	Settings      map[string]string // further variables of all programs, which override any other
	Executors     map[string]string // further variables of executors alone, which override those
}

// The names that the cloud has, the same as a deployment's.
const (
	project         = "studio-local"
	store           = "local-store"
	metadata        = "local-metadata"
	clearPrefix     = "rmq_"
	sealedPrefix    = "rmq_sealed"
	otherPrefix     = "rmq_other" // of a second tenant with buckets of its own
	otherStore      = "local-other-store"
	otherMetadata   = "local-other-metadata"
	eventsTopic     = "studio-events"
	deadLetterTopic = "studio-dead-letters"
	artifactsTopic  = "studio-artifacts"
	reportsTopic    = "studio-reports"
	// Eventarc's own subscription, and the topic of what finalize keeps refusing.
	finalizeSubscription = "studio-finalize"
	finalizeDeadLetters  = "studio-finalize-dead-letters"
)

// folders are where things lie below Options.Dir.
type folders struct{ root, keys, logs, home, work, cache, rabbit, parts string }

// prepare checks the options and makes the folders.
func (o *Options) prepare() (folders, error) {
	if o.Dir == "" || o.Bin == "" {
		return folders{}, errors.New("start the local cloud: Dir and Bin are needed")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return folders{}, fmt.Errorf("start the local cloud: %w", err)
	}
	if o.Bin, err = filepath.Abs(o.Bin); err != nil {
		return folders{}, fmt.Errorf("start the local cloud: %w", err)
	}
	if o.Logs == nil {
		o.Logs = io.Discard
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	for _, name := range []string{"bridge", "finalize", "executor"} {
		if _, err := os.Stat(filepath.Join(o.Bin, name)); err != nil {
			return folders{}, fmt.Errorf("find the program %s (make build builds it): %w", name, err)
		}
	}
	below := func(name string) string { return filepath.Join(dir, name) }
	f := folders{
		root: dir, keys: below("keys"), logs: below("logs"), home: below("home"), work: below("work"), cache: below("cache"),
		rabbit: below("rabbitmq"), parts: below("s3-parts"),
	}
	if err := f.make(o.ExperimentUID != 0); err != nil {
		return f, err
	}
	return f, o.shareUV(f.root)
}

// shareUV gives the users that build environments a uv that they can reach: the caller's may lie below a home folder that
// is closed to others.
func (o *Options) shareUV(dir string) error {
	if o.ExperimentUID == 0 {
		return nil
	}
	found, err := exec.LookPath(cmp.Or(o.UV, "uv"))
	if err != nil {
		return fmt.Errorf("find uv, which builds Python environments (make build installs it in bin): %w", err)
	}
	program, err := os.ReadFile(found) //nolint:gosec // the caller's own choice
	if err != nil {
		return fmt.Errorf("read uv: %w", err)
	}
	o.UV = filepath.Join(dir, "uv")
	if err := os.WriteFile(o.UV, program, 0o755); err != nil { //nolint:gosec // other users must be able to run it
		return fmt.Errorf("copy uv: %w", err)
	}
	return nil
}

// make makes the folders; other users may pass through to the work and the caches of experiments if they are shared.
func (f folders) make(shared bool) error {
	modes := map[string]os.FileMode{f.root: 0o700, f.keys: 0o700, f.logs: 0o700, f.home: 0o700, f.work: 0o700, f.cache: 0o700}
	if shared {
		modes[f.root], modes[f.work], modes[f.cache] = 0o711, 0o711, 0o711
	}
	for _, dir := range []string{f.root, f.keys, f.logs, f.home, f.work, f.cache} {
		if err := os.MkdirAll(dir, modes[dir]); err != nil {
			return fmt.Errorf("make the local cloud's folders: %w", err)
		}
		if err := os.Chmod(dir, modes[dir]); err != nil {
			return fmt.Errorf("make the local cloud's folders: %w", err)
		}
	}
	return nil
}
