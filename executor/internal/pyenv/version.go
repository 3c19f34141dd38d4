package pyenv

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
)

// version is what an interpreter is, or what an experiment asks for: then minor and patch may be absent, below zero.
type version struct{ major, minor, patch int }

func parseVersion(text string) (version, error) {
	major, minor, patch, err := pyspec.ParseVersion(text)
	return version{major, minor, patch}, err
}

func (v version) String() string {
	switch {
	case v.minor < 0:
		return strconv.Itoa(v.major)
	case v.patch < 0:
		return fmt.Sprintf("%d.%d", v.major, v.minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch)
}

// series is the version without its patch.
func (v version) series() version { return version{v.major, v.minor, -1} }

func compareVersions(a, b version) int {
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor), cmp.Compare(a.patch, b.patch))
}

// matching returns the best interpreter of the asked minor version (of the major, where only that is asked): the asked
// patch, else the newest.
func matching(asked version, have []Interpreter) (Interpreter, bool) {
	same := filter(have, func(v version) bool { return v.major == asked.major && (asked.minor < 0 || v.minor == asked.minor) })
	if exact := filter(same, func(v version) bool { return v == asked }); len(exact) > 0 {
		return exact[0], true
	}
	return newest(same)
}

// nearest returns the newest patch of the next newer minor version, else of the next older one.
func nearest(asked version, have []Interpreter) (Interpreter, bool) {
	step := func(v version) int { return v.minor - asked.minor }
	newer := filter(have, func(v version) bool { return v.major == asked.major && step(v) > 0 })
	if len(newer) > 0 {
		next := slices.MinFunc(newer, func(a, b Interpreter) int { return cmp.Compare(a.version.minor, b.version.minor) })
		return newest(filter(newer, func(v version) bool { return v.minor == next.version.minor }))
	}
	return newest(filter(have, func(v version) bool { return v.major == asked.major && step(v) < 0 }))
}

func filter(have []Interpreter, keep func(version) bool) []Interpreter {
	var kept []Interpreter
	for _, py := range have {
		if keep(py.version) {
			kept = append(kept, py)
		}
	}
	return kept
}

// newest returns the first of the newest ones.
func newest(have []Interpreter) (Interpreter, bool) {
	if len(have) == 0 {
		return Interpreter{}, false
	}
	return slices.MaxFunc(have, func(a, b Interpreter) int { return compareVersions(a.version, b.version) }), true
}
