package pyenv

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
)

// What uv 0.5 to 0.13 exits with: 1 when it cannot be done (no such version, a conflict, a failed build), 2 when
// something broke on the way, which is mostly the network but also a requirement that it cannot parse.
const uvCannot = 1

var (
	// passing is trouble that a retry may cure.
	passing = regexp.MustCompile(`(?i)error sending request|connection (refused|reset|closed|aborted)|dns error|failed to lookup address` +
		`|could not resolve host|name or service not known|temporary failure|timed out|timeout was reached|failed to connect to|network is unreachable` +
		`|status server error|429 too many|certificate|tls handshake|error decoding response|unexpected eof|early eof`)
	// broken is trouble of this machine.
	broken = regexp.MustCompile(`(?i)no space left on device|os error 28\b|disk quota exceeded|read-only file system|cannot allocate memory|too many open files|input/output error`)
	// wrong is what is permanent in spite of its exit code.
	wrong = regexp.MustCompile(`(?i)failed to parse|status client error|unsupported|invalid|not found|couldn't parse|could not find`)
	// backend is the foreign code's own failure; what it printed follows and is no evidence about us.
	backend = regexp.MustCompile(`(?i)build backend returned an error|Failed to build`)
)

// verdict tells the experimenter's fault from ours.
func verdict(exitCode int, lines []string, j job) error {
	output := tailOf(lines)
	switch {
	case broken.MatchString(output):
	case backend.MatchString(output):
		return unmet(output, j)
	case passing.MatchString(output):
	case exitCode == uvCannot || wrong.MatchString(output):
		return unmet(output, j)
	}
	return fmt.Errorf("%w: install requirements: %s", errUV, output)
}

func unmet(output string, j job) error {
	e := &RequirementsError{Output: output}
	subject := "the requirements"
	if e.Requirement = culprit(output, j.requirements); e.Requirement != "" {
		subject = fmt.Sprintf("the requirement %q", e.Requirement)
	}
	e.Reason = fmt.Sprintf("%s cannot be installed for Python %s; correct it in pythonenv or config.pip", subject, j.python.Version)
	if e.Requirement == "" {
		e.Reason = strings.Replace(e.Reason, "correct it", "correct them", 1)
	}
	return e
}

// culprit returns the requirement that uv names first.
func culprit(output string, requirements []string) string {
	first, at := "", len(output)
	lower := pyspec.Canonical(output)
	for _, r := range requirements {
		name, ok := pyspec.NameOf(r)
		if !ok {
			continue
		}
		word := regexp.MustCompile(`(^|[^a-z0-9-])` + regexp.QuoteMeta(pyspec.Canonical(name)) + `($|[^a-z0-9-])`)
		if loc := word.FindStringIndex(lower); loc != nil && loc[0] < at {
			first, at = pyspec.Shorten(pyspec.Redact(r), 100), loc[0]
		}
	}
	return first
}
