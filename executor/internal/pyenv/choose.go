package pyenv

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// interpreter returns the Python for s and, when it is not what was asked for, a sentence that says so.
func (m *Manager) interpreter(ctx context.Context, s Spec) (Interpreter, string, error) {
	asked, err := parseVersion(s.PythonVersion)
	if err != nil {
		return Interpreter{}, "", err
	}
	have, err := m.Interpreters(ctx)
	if err != nil {
		return Interpreter{}, "", err
	}
	py, ok := matching(asked, have)
	if ok {
		return py, differs(asked, py), nil
	}
	if m.cfg.AllowDownload {
		py, ok, err = m.download(ctx, asked, s.Log)
		if ok || err != nil {
			return py, differs(asked, py), err
		}
	}
	if py, ok = nearest(asked, have); !ok {
		return Interpreter{}, "", none(asked, have)
	}
	return py, replaces(asked, py), nil
}

// differs tells of another patch than the asked one.
func differs(asked version, py Interpreter) string {
	if asked.patch < 0 || py.version == asked || py.version == (version{}) {
		return ""
	}
	return fmt.Sprintf("The experiment asked for Python %s and runs with Python %s, the release of Python %s that this executor has; ask for %q to accept any.",
		asked, py.Version, asked.series(), asked.series())
}

func replaces(asked version, py Interpreter) string {
	return fmt.Sprintf("The experiment asked for Python %s, which this executor does not have, and runs with Python %s instead; ask for Python %s, or have the cluster owner add Python %s to the executor's image.",
		asked, py.Version, py.version.series(), asked.series())
}

func none(asked version, have []Interpreter) error {
	var versions []string
	for _, py := range have {
		versions = append(versions, py.Version)
	}
	slices.Sort(versions)
	has := "it has no Python at all"
	if len(versions) > 0 {
		has = "it has " + strings.Join(slices.Compact(versions), ", ")
	}
	return &InterpreterError{Asked: asked.String(), Reason: fmt.Sprintf(
		"no Python on this executor can stand in for Python %s: %s; ask for one that is there, or have the cluster owner add Python %s to the executor's image", asked, has, asked)}
}
