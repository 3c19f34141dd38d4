package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// find returns the path of a program: a bare name is looked for on the program's own PATH, absolute folders only.
func find(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err == nil && filepath.IsAbs(dir) && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", told{fmt.Sprintf("no folder of PATH has a program %q", name), syscall.ENOENT}
}

// explainDir tells why the working directory cannot be entered.
func explainDir(dir string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.ENOENT:
		return told{fmt.Sprintf("its working directory %q does not exist", dir), errno}
	case syscall.ENOTDIR:
		return told{fmt.Sprintf("its working directory %q is not a folder", dir), errno}
	default:
		return told{fmt.Sprintf("user %d cannot enter its working directory %q: %s", os.Getuid(), dir, errno), errno}
	}
}

// explainExec tells why execve failed.
func explainExec(path string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.ENOENT:
		if _, statErr := os.Stat(path); statErr == nil {
			return told{fmt.Sprintf("%q is there, but the interpreter or loader that it names is not", path), errno}
		}
		return told{fmt.Sprintf("the program %q does not exist", path), errno}
	case syscall.EACCES:
		return told{fmt.Sprintf("%q is not a file that user %d may execute", path, os.Getuid()), errno}
	case syscall.ENOEXEC:
		return told{fmt.Sprintf("%q is not a program for this machine and has no #! line", path), errno}
	case syscall.E2BIG:
		return told{"its arguments and environment are too long together", errno}
	default:
		return told{fmt.Sprintf("%q cannot be executed: %s", path, errno), errno}
	}
}

// told is an error in words of its own.
type told struct {
	sentence string
	error
}

func (t told) Error() string { return t.sentence }
func (t told) Unwrap() error { return t.error }
