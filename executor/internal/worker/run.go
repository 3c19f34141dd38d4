package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/metadata"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// open makes the folder, brings the earlier output and begins this attempt's. From here on, there is somewhere to say
// what goes wrong.
func (a *attempt) open(ctx context.Context) (err error) {
	if a.folder, err = makeFolder(a.w.WorkDir, a.ref.Key, a.claim.Attempt, a.user()); err != nil {
		return err
	}
	output, err := a.fetchOutput(ctx)
	if err != nil {
		return err
	}
	a.doc = metadata.New(a.document())
	a.docName = metadata.Name(a.w.Executor, a.claim.StartedAt)
	if a.out, err = openOutput(output.dir, metadata.NewSplitter(func(line []byte) { a.doc.Line(line) }), a.reports); err != nil {
		return err
	}
	a.output = output
	if a.claim.Number > 1 {
		a.out.Say("Attempt %d begins here, on %s.", a.claim.Number, a.w.Executor)
	}
	return nil
}

// close ends what open began. The folder may be kept, for its results; what lies elsewhere never is.
func (a *attempt) close(keepFolder bool) error {
	var err error
	if a.out != nil {
		err = a.out.Close()
	}
	if a.folder == nil {
		return err
	}
	if keepFolder {
		a.w.running.keep(a.folder.root, a.w.Now())
	} else {
		err = errors.Join(err, a.folder.remove())
	}
	if user := a.folder.user; user != nil {
		if sweepErr := Sweep(a.w.Scratch, user.UID); sweepErr != nil { // what is left is the next attempt's to sweep
			a.log.Warn("not all that the experiment left is removed", "error", sweepErr)
		}
	}
	return err
}

// document is the metadata that the executor knows before the program says anything.
func (a *attempt) document() metadata.Initial {
	artifacts := map[string]string{}
	for label, art := range a.req.Experiment.Artifacts {
		if art.Qualified != "" {
			artifacts[label] = art.Qualified
		} else if o, err := art.Object(a.req.Config.Storage); err == nil {
			artifacts[label] = o.String()
		}
	}
	return metadata.Initial{
		Artifacts: artifacts, Experiment: a.ref.Key, Project: a.req.Experiment.Project,
		Host: a.w.Executor, LoadTime: a.claim.StartedAt,
	}
}

// work brings what the experiment needs and runs its program.
func (a *attempt) work(ctx context.Context) (verdict, error) {
	if ends, ok := a.lifetimeEnds(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, ends, errTimedOut)
		defer cancel()
		defer a.tellStop(ctx)()
	}
	v, err := a.prepareAndRun(ctx)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return v, err
}

func (a *attempt) prepareAndRun(ctx context.Context) (verdict, error) {
	if a.stopAsked(ctx) {
		return verdict{}, errStopped
	}
	if err := a.fetchAll(ctx); err != nil {
		return verdict{}, err
	}
	if err := a.checkScript(); err != nil {
		return verdict{}, err
	}
	env, err := a.environment(ctx)
	if err != nil {
		return verdict{}, err
	}
	defer env.Release()
	return a.runProgram(ctx, env)
}

// checkScript tells an experimenter that the script is missing before an environment is built for it.
func (a *attempt) checkScript() error {
	name := a.req.Experiment.Filename
	if name == "-m" {
		return nil // Python finds modules in more places than the workspace
	}
	root, err := os.OpenRoot(filepath.Join(a.folder.tree(), labelWorkspace))
	if err != nil {
		return fmt.Errorf("open the workspace: %w", err)
	}
	defer func() { _ = root.Close() }() // only read
	if info, err := root.Stat(name); err == nil && !info.IsDir() {
		return nil
	}
	there := "is empty"
	if entries, err := os.ReadDir(root.Name()); err == nil && len(entries) > 0 {
		names := make([]string, 0, len(entries))
		for _, e := range entries[:min(len(entries), 10)] {
			names = append(names, e.Name())
		}
		there = fmt.Sprintf("holds %s", strings.Join(names, ", "))
		if len(entries) > len(names) {
			there += fmt.Sprintf(" and %d more", len(entries)-len(names))
		}
	}
	return &Fault{Outcome: Failed, Sentence: fmt.Sprintf(
		"The script %q is not in the workspace, which %s. Run `studio run` in the folder that holds the script, and see that .studioml_ignore does not leave it out.", name, there)}
}

func (a *attempt) environment(ctx context.Context) (pyenv.Environment, error) {
	e := a.req.Experiment
	env, err := a.w.Environments.Ensure(ctx, pyenv.Spec{
		Tenant: a.tenant.Prefix, PythonVersion: e.PythonVersion,
		Requirements: a.plan().Requirements(), Log: a.out,
	})
	if fault := preflight.NoEnvironment(err); fault != nil {
		return env, fault
	}
	if err != nil {
		return env, fmt.Errorf("build the Python environment: %w", err)
	}
	how := fmt.Sprintf("built in %s", env.Took.Round(100*time.Millisecond))
	if env.Cached {
		how = "found ready"
	}
	for _, note := range []string{env.Note, a.grant.Note} {
		if note != "" {
			a.out.Say("%s", note)
		}
	}
	a.out.Say("Python %s environment with %d requirements %s.", env.Version, len(a.plan().Requirements()), how)
	a.said.say(event.Prepared, event.Data{Python: env.Version, Cached: env.Cached, Seconds: env.Took.Seconds()})
	return env, nil
}

// runProgram runs the experiment's program to its end and saves checkpoints meanwhile.
func (a *attempt) runProgram(ctx context.Context, env pyenv.Environment) (verdict, error) {
	if d := a.req.Experiment.MaxDuration; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, errTimedOut)
		defer cancel()
		defer a.tellStop(ctx)()
	}
	stopSaving := a.saveNowAndThen(ctx)
	defer stopSaving()
	start := a.w.Now()
	a.doc.SetStart(start)
	a.out.directive(metadata.StartLine(start))
	a.said.say(event.Started, event.Data{})
	a.reports.State(report.TaskState_Started)
	a.log.Info("program starts")
	ranOut := a.w.watchMemory()
	result, err := process.Run(ctx, process.Spec{
		Argv: a.req.Experiment.Command(env.Python), Dir: filepath.Join(a.folder.tree(), labelWorkspace),
		Env: a.environ(env), User: a.folder.user, OwnUID: a.folder.user != nil, Output: a.out, Grace: a.w.Grace, Hurry: a.w.hurry,
	})
	if err != nil {
		return verdict{}, notRun(err)
	}
	a.log.Info("program ended", "exit_code", result.ExitCode, "took", result.Ended.Sub(result.Started).String())
	v := verdict{outcome: Completed, exitCode: &result.ExitCode}
	switch {
	case errors.Is(result.Cause, syscall.ENOSPC):
		return v, a.noSpace(result.Cause)
	case result.Cause != nil: // a program that ends well because it was told to has not completed
		return v, result.Cause
	case result.ExitCode != 0:
		v.outcome, v.reason = Failed, failure(result.ExitCode, result.Signal, ranOut())
	}
	return v, nil
}

// noSpace blames an experiment for a full disk only where it has asked for some: nothing that it could change is wrong otherwise.
func (a *attempt) noSpace(err error) error {
	if a.req.Experiment.Resources.HDD == 0 {
		return fmt.Errorf("%w: %w", errDiskFull, err)
	}
	return &Fault{Outcome: Failed, Err: err, Sentence: "The executor's disk is full, and the program was ended. Ask for more hdd, or write less."}
}

// notRun tells what only the experimenter can mend, such as an argument list that is too long, from a failing machine.
func notRun(err error) error {
	if errors.Is(err, process.ErrStart) && errors.Is(err, syscall.E2BIG) {
		return &Fault{Outcome: Failed, Err: err, Sentence: "The program cannot be started: its arguments and environment together are longer than the system allows. Pass long values in a file of the workspace."}
	}
	return fmt.Errorf("run the program: %w", err)
}

// environ is the program's whole environment, built from nothing.
func (a *attempt) environ(env pyenv.Environment) []string {
	vars := map[string]string{
		"PATH":                filepath.Join(env.Dir, "bin") + ":/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/bin:/usr/bin:/bin",
		"HOME":                a.folder.home(),
		"TMPDIR":              a.folder.tmp(),
		"USER":                "experiment",
		"LANG":                "C.UTF-8",
		"VIRTUAL_ENV":         env.Dir,
		"PYTHONUNBUFFERED":    "1",
		"STUDIOML_EXPERIMENT": a.ref.Key,
		"STUDIOML_HOME":       a.folder.tree(),
	}
	if a.w.LibraryPath != "" {
		vars["LD_LIBRARY_PATH"] = a.w.LibraryPath
	}
	maps.Copy(vars, request.ExpandEnv(a.req.Config.Env, vars))
	list := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return append(list, a.grant.Env()...)
}
