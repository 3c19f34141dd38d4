package process

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// launcherName is the launcher's argv[0]; it has no other argument and no environment.
const launcherName = "studio-program-launcher"

// What the launcher finds open besides stdin, stdout and stderr.
const (
	settingsFD = 3
	reportFD   = 4
)

// settings are what the launcher makes of itself.
type settings struct {
	Parent int
	Argv   []string
	Env    []string
	Dir    string
	User   *User
	Limits Limits
	Umask  uint32
}

// failure is the launcher's report of a program that cannot be started.
type failure struct {
	Sentence string        `json:"sentence"`
	Errno    syscall.Errno `json:"errno,omitempty"`
}

// ready goes before any report of execve's own failure: a report that ends here means that the program runs.
const ready = '+'

// LauncherMain must be called first in main, and in TestMain of tests that call [Run]. It returns in every process but the
// launchers that Run starts; those it turns into the program.
func LauncherMain() {
	if len(os.Args) != 1 || os.Args[0] != launcherName {
		return
	}
	runtime.LockOSThread() // no_new_privs, capabilities and the parent-death signal belong to the thread that calls execve
	report := os.NewFile(reportFD, "report")
	err := launch(report)
	f := failure{Sentence: err.Error()}
	_ = errors.As(err, &f.Errno) // not every error has one
	_ = json.NewEncoder(report).Encode(f)
	os.Exit(127)
}

// launch returns only if this process cannot become the program.
func launch(report *os.File) error {
	if err := closeOnExec(settingsFD); err != nil {
		return fmt.Errorf("close inherited files: %w", err)
	}
	var s settings
	if err := gob.NewDecoder(os.NewFile(settingsFD, "settings")).Decode(&s); err != nil {
		return fmt.Errorf("read the launcher's settings: %w", err)
	}
	if err := confine(s); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return explainDir(s.Dir, err)
	}
	path, err := find(s.Argv[0], s.Env)
	if err != nil {
		return err
	}
	if err := limit(s.Limits); err != nil { // last: threads of this process count too
		return err
	}
	if _, err := report.Write([]byte{ready}); err != nil {
		return fmt.Errorf("report to the executor: %w", err)
	}
	return explainExec(path, syscall.Exec(path, s.Argv, s.Env)) //nolint:gosec // running what the request names is the purpose
}

// outcome reads the launcher's report. sendErr is why it may have had no settings.
func outcome(report []byte, sendErr error) error {
	began := len(report) > 0 && report[0] == ready
	if began {
		report = report[1:]
	}
	if len(report) == 0 {
		if began {
			return nil
		}
		return notStarted(errors.Join(errors.New("the launcher ended before it could start it"), sendErr))
	}
	var f failure
	if err := json.Unmarshal(report, &f); err != nil {
		return fmt.Errorf("%w: read the launcher's report: %w", ErrStart, err)
	}
	return &startError{f}
}

// startError is an ErrStart told by the launcher.
type startError struct{ failure }

func (e *startError) Error() string { return ErrStart.Error() + ": " + e.Sentence }

func (e *startError) Unwrap() []error {
	if e.Errno == 0 {
		return []error{ErrStart}
	}
	return []error{ErrStart, e.Errno}
}
