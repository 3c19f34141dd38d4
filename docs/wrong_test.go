//go:build integration

package docs_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// A guide that is wrong must fail, or the test of the guides shows nothing.
func TestAWrongGuideFails(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"a wrong flag":              {"```sh\nstudioctl ps --nonsense\n```", "--nonsense"},
		"a wrong flag at a prompt":  {"```console\n$ studioctl ps --nonsense\nKEY\n```", "--nonsense"},
		"a program that fails":      {"```sh\ntrue\nfalse\n```", "exit status 1"},
		"an early end":              {"```sh\nexit 0\n```", "before the guide did"},
		"a wrong flag at Google":    {"```sh needs-google\nstudioctl ps --project p --nonsense\n```", "--nonsense"},
		"a wrong command at Google": {"```sh needs-google\nstudioctl nonsense\n```", "studioctl nonsense is wrong"},
		"a service that ends":       {"```sh until-interrupted\ntrue\n```", "exit status 1"},
		"a command that is not run": {"```\nmake demo\n```", "looks like a command"},
		"a block of output only":    {"```console\nKEY\n```", "without a command"},
		"a misspelt mark":           {"```sh coverd-by=demo\nmake demo\n```", `unknown mark "coverd-by"`},
		"no such target":            {"```sh covered-by=nonsense\nmake demo\n```", "nonsense"},
		"no such test":              {"```sh covered-by=TestNonsense\nmake demo\n```", "no test TestNonsense"},
		"a wrong covered command":   {"```sh covered-by=demo\nmake nonsense\n```", "nonsense"},
		"no such test to run":       {"```sh covered-by=test\ngo test -run TestNonsense ./docs\n```", "no test TestNonsense"},
		"a wrong command in text":   {"see `studioctl nonsense`", "no such command"},
		"a wrong flag in text":      {"see `studioctl ps --nonsense`", "--nonsense"},
		"a wrong target in text":    {"see `make nonsense`", "nonsense"},
		"a block without its end":   {"```sh\ntrue", "not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := check(t, root, t.TempDir(), "GUIDE.md", tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the guide is taken: %v; want an error with %q", err, tc.want)
			}
		})
	}
}

func TestARightGuideIsTaken(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	const text = "Use `studioctl ps` and `make help`.\n" +
		"```\na picture\n```\n" +
		"```python file=~/a/hello.py\nprint('$HOME')\n```\n" +
		"```console\n$ cd docs && \\\n  X=1\nno command\n$ grep -q '[$]HOME' ~/a/hello.py\n```\n" +
		"```sh\n[ $X = 1 ] && test -e guides_test.go\n```\n" +
		"```sh needs-google\nstudioctl ps --project p\ngcloud nonsense\n```\n" +
		"```sh until-interrupted\nsleep 60\n```\n" +
		"```sh covered-by=demo\nmake demo\ngo test -run TestARightGuideIsTaken ./docs\n```\n"
	if err := check(t, root, t.TempDir(), "GUIDE.md", text); err != nil {
		t.Error(err)
	}
}
