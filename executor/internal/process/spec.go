package process

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// User is who a program runs as: one user, one group, no further groups. Unless it is the executor's own, the executor
// needs the capabilities SETUID and SETGID to become it and KILL to end it.
type User struct {
	UID, GID uint32
}

// Limits bound a program. Zero means the default; no limit is raised above the executor's own.
type Limits struct {
	Processes uint64 // processes and threads of the user together (RLIMIT_NPROC); 8,192 with a User, the executor's own without
	OpenFiles uint64 // RLIMIT_NOFILE; 65,536
}

// Spec is a program to run.
type Spec struct {
	Argv   []string // Argv[0] is a path, relative to Dir, or a bare name to be found on the PATH of Env
	Dir    string   // the working directory; empty means /
	Env    []string // the whole environment, "NAME=value"
	User   *User    // nil means the executor's own user, which keeps whatever capabilities that user has
	OwnUID bool     // nothing but this run uses User.UID: at the end every process of that user is killed
	Output io.Writer
	Grace  time.Duration        // between SIGTERM and SIGKILL; zero means 10 s, less than zero none
	Hurry  func() time.Duration // if set, the most that Grace may be, asked when the program is told to end
	Limits Limits
	Umask  uint32 // zero means 077
}

// Result tells how a program ended.
type Result struct {
	ExitCode int            // 128+n when signal n ended it, as shells count
	Signal   syscall.Signal // what ended it, else zero
	Started  time.Time      // its first instruction
	Ended    time.Time
	Cause    error // why it was asked to end: the context's cause, or the error of Spec.Output; nil when it was not asked
}

var (
	// ErrStart marks a program that never ran. Its text is a sentence for the experimenter; what the system said
	// (fs.ErrNotExist, syscall.EACCES, …) or the cause of a cancelled context is beneath it.
	ErrStart = errors.New("the program was not started")
	// ErrLeftOver marks processes that outlived SIGKILL. They may still write to the experiment's folders.
	ErrLeftOver = errors.New("processes are left over")
)

const (
	defaultGrace     = 10 * time.Second
	defaultProcesses = 8192 // data loaders with a thread per core need thousands
	defaultOpenFiles = 65536
	defaultUmask     = 0o077
)

// complete checks s and fills in the defaults.
func (s Spec) complete() (Spec, error) {
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return s, fmt.Errorf("%w: no program is named", ErrStart)
	}
	for _, text := range append(append([]string{s.Dir}, s.Argv...), s.Env...) {
		if strings.ContainsRune(text, 0) { // never told: it may be a secret
			return s, fmt.Errorf("%w: an argument, a variable or the working directory holds a NUL byte", ErrStart)
		}
	}
	if s.User != nil && s.User.UID == 0 {
		return s, fmt.Errorf("%w: experiments do not run as root", ErrStart)
	}
	if s.OwnUID && s.User == nil {
		return s, fmt.Errorf("%w: OwnUID needs a User", ErrStart)
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	if s.Output == nil {
		s.Output = io.Discard
	}
	if s.Grace == 0 {
		s.Grace = defaultGrace
	}
	if s.Limits.Processes == 0 && s.User != nil {
		s.Limits.Processes = defaultProcesses
	}
	if s.Limits.OpenFiles == 0 {
		s.Limits.OpenFiles = defaultOpenFiles
	}
	if s.Umask == 0 {
		s.Umask = defaultUmask
	}
	return s, nil
}
