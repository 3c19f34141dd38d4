package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// lines reads `name: value` lines.
func lines(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		m[name] = strings.Join(strings.Fields(value), " ")
	}
	return m
}

func TestProgramIsConfined(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := Spec{Argv: []string{"/bin/cat", "/proc/self/status", "/proc/self/oom_score_adj"}, User: u, OwnUID: true}
	text, _ := outputOf(t, s)
	got := lines(text)
	for name, want := range map[string]string{
		"Uid":        strings.TrimSpace(strings.Repeat(fmt.Sprintf("%d ", u.UID), 4)),
		"Gid":        strings.TrimSpace(strings.Repeat(fmt.Sprintf("%d ", u.GID), 4)),
		"Groups":     "",
		"NoNewPrivs": "1",
		"CapInh":     "0000000000000000",
		"CapPrm":     "0000000000000000",
		"CapEff":     "0000000000000000",
		"CapAmb":     "0000000000000000",
		"Umask":      "0077",
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s = %q, want %q", name, value, want)
		}
	}
	if !strings.HasSuffix(text, "\n1000\n") {
		t.Error("oom_score_adj is not 1000")
	}
}

func TestProgramLeadsItsOwnSessionAndGroup(t *testing.T) {
	t.Parallel()
	got, _ := outputOf(t, shell(`echo $$; cut -d' ' -f5,6,7 /proc/$$/stat`)) // group, session, terminal
	f := strings.Fields(got)
	if len(f) != 4 || f[1] != f[0] || f[2] != f[0] || f[3] != "0" {
		t.Errorf("pid, group, session, terminal = %v", f)
	}
}

func TestProgramHasNoFileOfTheExecutors(t *testing.T) {
	t.Parallel()
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	fd, err := syscall.Dup(int(file.Fd())) // not closed by execve
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	got, _ := outputOf(t, shell(`i=3; while [ $i -lt 200 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done; readlink /proc/$$/fd/0`))
	if got != "/dev/null\n" {
		t.Errorf("open files, and stdin: %q", got)
	}
}

func TestLimitsHold(t *testing.T) {
	t.Parallel()
	s := Spec{Argv: []string{"/bin/cat", "/proc/self/limits"}, User: newUser(t), OwnUID: true, Limits: Limits{Processes: 77, OpenFiles: 99}}
	text, _ := outputOf(t, s)
	for _, want := range []string{"Max processes 77 77", "Max open files 99 99", "Max core file size 0 0"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("limits lack %q:\n%s", want, text)
		}
	}
}

func TestProcessLimitStopsAForkBomb(t *testing.T) {
	t.Parallel()
	s := shell(`i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; echo all`)
	s.User, s.OwnUID, s.Limits.Processes = newUser(t), true, 20
	if got, _ := outputOf(t, s); strings.Contains(got, "all") {
		t.Errorf("40 processes under a limit of 20: %q", got)
	}
}

func TestProgramCannotReadTheExecutor(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(openFolder(t), "key")
	if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := shell(`for f in "$@"; do cat "$f" >/dev/null 2>&1 && echo "could read $f"; done; kill -0 $PPID 2>/dev/null && echo could signal; exit 0`,
		fmt.Sprintf("/proc/%d/environ", os.Getpid()), fmt.Sprintf("/proc/%d/mem", os.Getpid()), fmt.Sprintf("/proc/%d/maps", os.Getpid()), secret)
	s.User, s.OwnUID = newUser(t), true
	if got, _ := outputOf(t, s); got != "" {
		t.Error(got)
	}
}

func TestConcealedExecutorIsHiddenFromItsOwnUser(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	binary := filepath.Join(dir, "executor")
	if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatalf("copy the test binary: %v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "as-executor", "", `cat /proc/$PPID/environ 2>/dev/null || echo hidden; cat /proc/self/environ | tr '\0' '\n'`)
	cmd.Dir = "/"
	cmd.Env = []string{"SECRET=swordfish"}
	if os.Geteuid() == 0 { // who would be allowed to read it anyway
		u := newUser(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "hidden") || strings.Contains(string(out), "swordfish") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAnotherUserNeedsPrivilege(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("needs an ordinary user: root may become anyone")
	}
	_, err := Run(t.Context(), Spec{Argv: []string{"/bin/true"}, User: &User{UID: 710_000, GID: 710_000}})
	if err == nil || !strings.Contains(err.Error(), "SETGID") {
		t.Errorf("Run = %v", err)
	}
}

func TestEveryProcessOfItsUserDiesWithTheProgram(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"double-forked daemon": `(setsid sh -c 'echo pid $$ end; exec sleep 1000' </dev/null >"$1" 2>&1 &) ; until grep -q end "$1" 2>/dev/null; do :; done; cat "$1"`,
		"daemon that forks on": `(setsid sh -c 'echo pid $$ end; while :; do (sleep 1000 &); done' </dev/null >"$1" 2>&1 &) ; until grep -q end "$1" 2>/dev/null; do :; done; cat "$1"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			s := shell(script, filepath.Join(openFolder(t), "out"))
			s.User, s.OwnUID, s.Limits.Processes = u, true, 50
			text, _ := outputOf(t, s)
			if !strings.Contains(text, "end") {
				t.Fatalf("output %q", text)
			}
			if left := processesOf(t, u.UID); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
		})
	}
}

// processesOf names the live processes of a user.
func processesOf(t *testing.T, uid uint32) (names []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it ended
		}
		if st := parseStatus(text); st.of(uid) && !st.dead() {
			names = append(names, strconv.Quote(lines(string(text))["Name"]))
		}
	}
	return names
}

func TestZombiesWithLiveThreadsAreAlive(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"State:\tZ (zombie)\nThreads:\t1\n":   true,
		"State:\tZ (zombie)\nThreads:\t3\n":   false,
		"State:\tS (sleeping)\nThreads:\t1\n": false,
	} {
		if got := parseStatus([]byte(text)).dead(); got != want {
			t.Errorf("dead(%q) = %v", text, got)
		}
	}
}

func TestKillUserRefusesSharedUsers(t *testing.T) {
	t.Parallel()
	if err := KillUser(0); err == nil {
		t.Error("KillUser(0) killed root's processes")
	}
	if err := KillUser(uint32(os.Getuid())); err == nil {
		t.Error("KillUser killed its own user's processes")
	}
}
