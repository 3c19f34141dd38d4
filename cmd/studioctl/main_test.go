package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

// command runs studioctl with a home of its own.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, envconfig.MapLookuper(map[string]string{"HOME": t.TempDir()}), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestErrorsSayWhatToDoNextAndExitCodesTellThemApart(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "train.py")
	if err := os.WriteFile(script, []byte("pass"), 0o600); err != nil {
		t.Fatal(err)
	}
	project := []string{"--project", "p", "--store", "s", "--metadata", "m"}
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"no deployment":             {args: []string{"ps"}, code: 1, says: "start one with `studioctl local`"},
		"half a project":            {args: []string{"ps", "--project", "p", "--store", "s"}, code: 1, says: "metadata bucket is not set"},
		"no such command":           {args: []string{"pss"}, code: 2, says: "did you mean `studioctl ps`?"},
		"no such command below":     {args: []string{"context", "lists"}, code: 2, says: "did you mean `studioctl context list`?"},
		"nothing like it":           {args: []string{"frobnicate"}, code: 2, says: "see `studioctl --help`"},
		"JSON of what has none":     {args: []string{"demo", "--json"}, code: 2, says: "`studioctl watch --json` prints what happens"},
		"JSON of an output":         {args: []string{"logs", "k", "--json"}, code: 2, says: "`studioctl show --json`"},
		"no such flag":              {args: []string{"ps", "--colour"}, code: 2, says: "unknown flag: --colour"},
		"argument missing":          {args: []string{"logs"}, code: 2, says: "see `studioctl logs --help`"},
		"script missing":            {args: append([]string{"submit", "nowhere.py"}, project...), code: 2, says: "the script nowhere.py is not a file"},
		"queue that nobody reads":   {args: append([]string{"submit", script, "--queue", "test"}, project...), code: 2, says: "queues begin with rmq_"},
		"name that is no key":       {args: append([]string{"submit", script, "-e", "../x"}, project...), code: 2, says: `the experiment's name "../x"`},
		"sealed without keys":       {args: append([]string{"submit", script, "--sealed"}, project...), code: 2, says: "needs both --request-key and --signing-key"},
		"sealed with half the keys": {args: append([]string{"submit", script, "--request-key", "k"}, project...), code: 2, says: "needs both"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := command(t, tc.args...)
			if code != tc.code || !strings.Contains(errOut, tc.says) {
				t.Errorf("studioctl %v = %d, %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
			}
		})
	}
}

func TestHelpShowsExamples(t *testing.T) {
	t.Parallel()
	code, out, _ := command(t, "submit", "--help")
	if code != 0 || !strings.Contains(out, "studioctl submit train.py --queue rmq_test") {
		t.Errorf("help = %d:\n%s", code, out)
	}
}

func TestRequirementsAreReadAsPipWritesThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "# packages\n\nnumpy==2.0.1  # pinned\nscikit-learn\n"
	if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readRequirements("", dir)
	if want := []string{"numpy==2.0.1", "scikit-learn"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("requirements = %q, %v; want %q", got, err, want)
	}
	if got, err := readRequirements("", t.TempDir()); err != nil || got != nil {
		t.Errorf("without a file: %q, %v", got, err)
	}
	if _, err := readRequirements(filepath.Join(dir, "other.txt"), dir); err == nil {
		t.Error("a named file that is missing is no error")
	}
}

func TestHelpKeepsWithinEightyColumnsAndShowsExamples(t *testing.T) {
	t.Parallel()
	var visit func(*cobra.Command, []string)
	visit = func(cmd *cobra.Command, path []string) {
		code, out, errOut := command(t, append(path, "--help")...)
		if code != 0 {
			t.Errorf("studioctl %v --help = %d: %s", path, code, errOut)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if utf8.RuneCountInString(line) > 80 {
				t.Errorf("studioctl %v --help breaks at 80 columns:\n%s", path, line)
			}
		}
		if !strings.Contains(out, "Examples:\n  studioctl ") {
			t.Errorf("studioctl %v --help shows no example:\n%s", path, out)
		}
		for _, sub := range cmd.Commands() {
			visit(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	visit(newRoot(&app{env: envconfig.MapLookuper(nil)}), nil)
}
