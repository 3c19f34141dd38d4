package pyspec

import (
	"fmt"
	"regexp"
	"strconv"
)

var versionText = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:\.([0-9]{1,3}))?$`)

// ParseVersion reads "3", "3.9" and "3.11.2"; minor and patch are below zero where they are not asked. Empty means Python 3.
// The error is an [*InterpreterError].
func ParseVersion(text string) (major, minor, patch int, err error) {
	if text == "" {
		return 3, -1, -1, nil
	}
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		shown := Shorten(text, 40)
		return 0, -1, -1, &InterpreterError{Asked: shown, Reason: fmt.Sprintf("the Python version %q is not a version; ask for one such as \"3.11\"", shown)}
	}
	return number(m[1]), number(m[2]), number(m[3]), nil
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}
