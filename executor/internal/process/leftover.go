package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	killTimeout = 10 * time.Second
	killPause   = 5 * time.Millisecond
)

// KillUser kills every process of a user and returns when they are dead. It is for users that only experiments have: after
// a run, and when an executor starts and does not know what its predecessor left. ErrLeftOver if some outlive it by 10 s.
func KillUser(uid uint32) error {
	if uid == 0 || uid == uint32(os.Getuid()) { //nolint:gosec // user ids have 32 bits
		return fmt.Errorf("kill processes of user %d: refused, they are not an experiment's alone", uid)
	}
	deadline := time.Now().Add(killTimeout)
	for {
		alive, err := killPass(uid)
		if err != nil {
			return fmt.Errorf("kill processes of user %d: %w", uid, err)
		}
		if alive == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %d of user %d", ErrLeftOver, alive, uid)
		}
		time.Sleep(killPause)
	}
}

// killPass kills what it sees and counts it. Forks that it did not see are for the next pass.
func killPass(uid uint32) (alive int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		there, err := killOne(pid, uid)
		if err != nil {
			return alive, err
		}
		if there {
			alive++
		}
	}
	return alive, nil
}

// killOne holds the process before it looks whose it is, so that a reused process id harms nobody.
func killOne(pid int, uid uint32) (alive bool, err error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false, nil // it ended meanwhile
	}
	defer func() { _ = p.Release() }() // fails only if it is released already
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false, nil // it ended meanwhile
	}
	st := parseStatus(text)
	if !st.of(uid) {
		return false, nil
	}
	if st.dead() {
		if st.parent == os.Getpid() { // as the first process of a container we inherit orphans
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // best effort: a zombie does nothing
		}
		return false, nil
	}
	err = p.Signal(syscall.SIGKILL)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return true, err
}

// status is what /proc/<pid>/status says of a process.
type status struct {
	uids    []string
	state   string
	threads string
	parent  int
}

func parseStatus(text []byte) status {
	var st status
	for line := range bytes.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "Uid":
			st.uids = strings.Fields(value)
		case "State":
			st.state = value
		case "Threads":
			st.threads = value
		case "PPid":
			st.parent, _ = strconv.Atoi(value) // the kernel writes a number
		}
	}
	return st
}

// of tells whether the process has the user as its real, effective, saved or file system user.
func (st status) of(uid uint32) bool {
	for _, u := range st.uids {
		if u == strconv.FormatUint(uint64(uid), 10) {
			return true
		}
	}
	return false
}

// dead tells a zombie from a process whose first thread alone has ended.
func (st status) dead() bool {
	ended := strings.HasPrefix(st.state, "Z") || strings.HasPrefix(st.state, "X")
	return ended && (st.threads == "0" || st.threads == "1")
}
