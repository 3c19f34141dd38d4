package child

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// A member is one process of a family; its start time tells it from a later process of the same id.
type member struct {
	pid, parent int
	state       string
	started     string
}

// alive is false for a zombie: it runs no more, and only its parent can remove it.
func (m member) alive() bool {
	now, ok := look(m.pid)
	return ok && now.started == m.started && now.state != "Z" && now.state != "X"
}

func (m member) kill() error {
	if err := syscall.Kill(m.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// descendants lists the processes below pid, without pid itself.
func descendants(pid int) []member {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // only a malformed pattern is an error
	children := map[int][]member{}
	for _, stat := range stats {
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat))) // digits by the pattern
		if m, ok := look(id); ok {
			children[m.parent] = append(children[m.parent], m)
		}
	}
	var family []member
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, m := range children[next[0]] {
			family = append(family, m)
			next = append(next, m.pid)
		}
	}
	return family
}

// look reads /proc/<pid>/stat (proc_pid_stat(5)): state, parent and start time are fields 3, 4 and 22; field 2, the
// command in parentheses, may hold anything.
func look(pid int) (member, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return member{}, false
	}
	_, rest, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 20 {
		return member{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return member{pid: pid, parent: parent, state: string(fields[0]), started: string(fields[19])}, err == nil
}
