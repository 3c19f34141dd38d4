package vm_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script is setup.sh with programs of the machine replaced by ones that write down how they are called.
type script struct {
	t    *testing.T
	root string // in place of /
	bin  string
}

func newScript(t *testing.T) script {
	t.Helper()
	s := script{t: t, root: t.TempDir(), bin: t.TempDir()}
	for _, name := range []string{"apt-get", "dpkg", "dpkg-query", "sleep", "systemctl"} {
		s.fake(name, "exit 0")
	}
	return s
}

// fake makes a program that writes down its arguments and then does what it is told.
func (s script) fake(name, then string) {
	s.t.Helper()
	text := fmt.Sprintf("#!/bin/sh\necho \"%s $*\" >>%s/calls\n%s\n", name, s.bin, then)
	if err := os.WriteFile(filepath.Join(s.bin, name), []byte(text), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// failing makes an apt-get whose downloads fail that many times.
func (s script) failing(times int) {
	s.fake("apt-get", fmt.Sprintf("[ \"$(grep -c '^apt-get.* update$' %s/calls)\" -gt %d ]", s.bin, times))
}

// run returns how the script ends, what it prints and what it calls.
func (s script) run(args ...string) (code int, said string, calls []string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "bash", append([]string{"setup.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "STUDIO_ROOT="+s.root, "PATH="+s.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		s.t.Fatalf("setup.sh: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(s.bin, "calls"))
	if err != nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out), strings.Split(strings.TrimSpace(string(text)), "\n")
}

func count(calls []string, prefix string) (n int) {
	for _, c := range calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// The way out may come after the machine, and Debian's own daily run may hold the lock.
func TestPackagesAreTriedAgainWithAPause(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		failures, code, tries, pauses int
	}{
		"at once":              {failures: 0, code: 0, tries: 1, pauses: 0},
		"when the network is":  {failures: 3, code: 0, tries: 4, pauses: 3},
		"not for ever in vain": {failures: 99, code: 1, tries: 5, pauses: 5},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.failing(tc.failures)
			code, said, calls := s.run("packages")
			if code != tc.code || count(calls, "dpkg --configure -a") != tc.tries || count(calls, "sleep") != tc.pauses {
				t.Errorf("it ends with %d; want %d after %d tries and %d pauses:\n%s", code, tc.code, tc.tries, tc.pauses, strings.Join(calls, "\n"))
			}
			if failed := strings.Contains(said, "cannot install rabbitmq-server"); failed != (code != 0) {
				t.Errorf("it ends with %d and says %q", code, said)
			}
			if _, err := os.Stat(filepath.Join(s.root, "usr/sbin/policy-rc.d")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("servers would never start: policy-rc.d is still there (%v)", err)
			}
			for _, c := range calls {
				if strings.HasPrefix(c, "apt-get") && (!strings.Contains(c, "DPkg::Lock::Timeout=300") || !strings.Contains(c, "Acquire::Retries=5")) {
					t.Errorf("%s: does not wait for the lock, or tries no download again", c)
				}
			}
		})
	}
}

func TestNothingIsInstalledTwice(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.fake("dpkg-query", "echo install ok installed")
	if code, said, calls := s.run("packages"); code != 0 || count(calls, "apt-get") != 0 {
		t.Errorf("it ends with %d (%s) after %s", code, said, strings.Join(calls, "\n"))
	}
}

// What fails at the first boot is done without a second one.
func TestSystemdTriesUntilItHasWorked(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	if code, said, calls := s.run(); code != 0 || !slices.Equal(calls, []string{"systemctl daemon-reload", "systemctl start studio-rabbitmq-setup"}) {
		t.Fatalf("it ends with %d (%s) after %s", code, said, strings.Join(calls, "\n"))
	}
	unit, err := os.ReadFile(filepath.Join(s.root, "etc/systemd/system/studio-rabbitmq-setup.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Type=oneshot", "Restart=on-failure", "RestartSec=2min", "ExecStart=/usr/local/sbin/studio-rabbitmq-setup all"} {
		if !strings.Contains(string(unit), line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
	own, err := os.ReadFile("setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(s.root, "usr/local/sbin/studio-rabbitmq-setup")
	if text, err := os.ReadFile(copied); err != nil || !slices.Equal(text, own) {
		t.Errorf("systemd would run something else: %v", err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("systemd cannot run the copy: %v", err)
	}

	s.fake("systemctl", "exit 1")
	if code, said, calls := s.run(); code != 1 || !strings.Contains(said, "journalctl -u studio-rabbitmq-setup") || count(calls, "systemctl daemon-reload") != 1 {
		t.Errorf("a failed try ends with %d and says %q, after %s", code, said, strings.Join(calls, "\n"))
	}
}
