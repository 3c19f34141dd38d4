package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// confine gives up what the program must not have. The order matters: the parent-death signal is forgotten by the kernel
// when the user changes, and the score belongs to whoever started the process.
func confine(s settings) error {
	syscall.Umask(int(s.Umask))
	// When memory runs out, the program goes before the executor. Best effort: some containers have no such file.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	if err := become(s.User); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask to die with the executor: %w", err)
	}
	if os.Getppid() != s.Parent { // it died before we asked
		return errors.New("the executor is gone")
	}
	return nil
}

// become changes the user for good: real, effective and saved, with no capability left, inheritable ones included.
func become(u *User) error {
	if u == nil || (os.Getuid() == int(u.UID) && os.Getgid() == int(u.GID)) {
		return nil
	}
	if err := syscall.Setgroups([]int{}); err != nil {
		return fmt.Errorf("leave the executor's groups (needs the capability SETGID): %w", err)
	}
	if err := syscall.Setresgid(int(u.GID), int(u.GID), int(u.GID)); err != nil {
		return fmt.Errorf("become group %d (needs the capability SETGID): %w", u.GID, err)
	}
	if err := syscall.Setresuid(int(u.UID), int(u.UID), int(u.UID)); err != nil {
		return fmt.Errorf("become user %d (needs the capability SETUID): %w", u.UID, err)
	}
	var none [2]unix.CapUserData // version 3 has 64 bits in two halves
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

func limit(l Limits) error {
	for _, r := range []struct {
		name     string
		resource int
		value    uint64
		keep     bool
	}{
		{name: "core size", resource: syscall.RLIMIT_CORE},
		{name: "open files", resource: syscall.RLIMIT_NOFILE, value: l.OpenFiles},
		{name: "processes", resource: unix.RLIMIT_NPROC, value: l.Processes, keep: l.Processes == 0},
	} {
		if r.keep {
			continue
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(r.resource, &now); err != nil {
			return fmt.Errorf("read the limit of %s: %w", r.name, err)
		}
		value := min(r.value, now.Max)
		if err := syscall.Setrlimit(r.resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("limit %s: %w", r.name, err)
		}
	}
	return nil
}

// closeOnExec marks every open file from first on.
func closeOnExec(first int) error {
	err := unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	entries, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	for _, e := range entries {
		if fd, convErr := strconv.Atoi(e.Name()); convErr == nil && fd >= first {
			syscall.CloseOnExec(fd)
		}
	}
	return err
}

// Conceal keeps other processes of this process's own user from reading its memory, environment and open files. It is for
// executors that cannot give experiments another user.
func Conceal() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
