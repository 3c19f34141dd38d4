package pyenv

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// version is what an interpreter is, or what an experiment asks for: then minor and patch may be absent, below zero.
type version struct{ major, minor, patch int }

var versionText = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.([0-9]{1,3}))?$`)

// parseVersion reads "3", "3.9" and "3.11.2". Empty means Python 3.
func parseVersion(text string) (version, bool) {
	if text == "" {
		return version{major: 3, minor: -1, patch: -1}, true
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	return version{major: number(m[1]), minor: number(m[2]), patch: number(m[3])}, true
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
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
