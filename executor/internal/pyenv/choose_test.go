package pyenv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInterpreterIsTheAskedOneOrTheNextBest(t *testing.T) {
	t.Parallel()
	have := []string{"3.8.18", "3.11.2", "3.11.7", "3.12.1", "3.9.18"}
	tests := map[string]struct {
		asked string
		want  string
		note  []string // what the note holds; none means no note
	}{
		"nothing asked":         {asked: "", want: "3.12.1"},
		"any 3":                 {asked: "3", want: "3.12.1"},
		"a minor version":       {asked: "3.11", want: "3.11.7"},
		"an exact one":          {asked: "3.11.2", want: "3.11.2"},
		"another patch":         {asked: "3.9.1", want: "3.9.18", note: []string{"3.9.1 ", "3.9.18", `"3.9"`}},
		"the next newer":        {asked: "3.10", want: "3.11.7", note: []string{"3.10,", "3.11.7 instead", "ask for Python 3.11"}},
		"older than all":        {asked: "3.6", want: "3.8.18", note: []string{"3.6,", "3.8.18"}},
		"newer than all":        {asked: "3.14.1", want: "3.12.1", note: []string{"3.14.1,", "3.12.1", "add Python 3.14 to"}},
		"a gap after the minor": {asked: "3.13", want: "3.12.1", note: []string{"3.13"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := setup(t, have...).mustEnsure(t, Spec{Tenant: "t", PythonVersion: tc.asked})
			if env.Version != tc.want || (env.Note != "") != (len(tc.note) > 0) {
				t.Fatalf("Ensure = %s with note %q, want %s", env.Version, env.Note, tc.want)
			}
			for _, part := range tc.note {
				if !strings.Contains(env.Note, part) {
					t.Errorf("note %q lacks %q", env.Note, part)
				}
			}
		})
	}
}

func TestInterpreterErrorSaysWhatIsThere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		have  []string
		asked string
		want  string
	}{
		"another language":   {have: []string{"3.11.2"}, asked: "2.7", want: "3.11.2"},
		"nothing is there":   {asked: "3.9", want: "no Python at all"},
		"not a version":      {have: []string{"3.11.2"}, asked: "three", want: `"three" is not a version`},
		"an option":          {have: []string{"3.11.2"}, asked: "--help", want: "is not a version"},
		"a path":             {have: []string{"3.11.2"}, asked: "/bin/sh", want: "is not a version"},
		"four parts":         {have: []string{"3.11.2"}, asked: "3.11.2.1", want: "is not a version"},
		"a huge thing":       {have: []string{"3.11.2"}, asked: strings.Repeat("9", 9999), want: "…"},
		"a version and more": {have: []string{"3.11.2"}, asked: "3.11\n", want: "is not a version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := setup(t, tc.have...).Ensure(t.Context(), Spec{Tenant: "t", PythonVersion: tc.asked})
			var e *InterpreterError
			if !errors.As(err, &e) || !strings.Contains(e.Reason, tc.want) || len(e.Reason) > 400 {
				t.Errorf("Ensure = %v", err)
			}
		})
	}
}

func TestInterpreterThatExperimentsCannotRunIsNotUsed(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2", "3.9.18")
	for path, v := range b.programs.versions {
		if v == "3.11.2" {
			delete(b.programs.versions, path) // its probe fails, as one under another user's home does
		}
	}
	if env := b.mustEnsure(t, Spec{Tenant: "t", PythonVersion: "3.11"}); env.Version != "3.9.18" {
		t.Errorf("Ensure = %+v", env)
	}
}

func TestPythonIsDownloadedWhenAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.cfg.AllowDownload = true
	b.programs.download = "cpython-3.9.25-linux/bin/python3.9"
	env := b.mustEnsure(t, Spec{Tenant: "t", PythonVersion: "3.9"})
	if env.Version != "3.9.25" || env.Note != "" {
		t.Errorf("Ensure = %+v", env)
	}
	other := b.sibling() // after a restart
	if again, err := other.Ensure(t.Context(), Spec{Tenant: "t", PythonVersion: "3.9"}); err != nil || !again.Cached {
		t.Errorf("Ensure = %+v, %v", again, err)
	}
	if n := b.programs.count("python install"); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
	if _, err := os.Stat(filepath.Join(b.cfg.Dir, ".python", "3.9.json")); err != nil {
		t.Error(err)
	}
}

func TestDownloadThatFailsIsReplacedAndNotTriedAtOnceAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.2")
	b.cfg.AllowDownload = true
	for range 3 {
		env := b.mustEnsure(t, Spec{Tenant: "t", PythonVersion: "3.9"})
		if env.Version != "3.11.2" || env.Note == "" {
			t.Errorf("Ensure = %+v", env)
		}
	}
	if n := b.programs.count("python install"); n != 1 {
		t.Errorf("tried %d times", n)
	}
}
