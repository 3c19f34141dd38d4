package pyspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	// named is a PEP 508 name with extras, and the rest.
	named = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[A-Za-z0-9._,\s-]*\])?\s*(.*)$`)
	// remote is where a package may come from besides the index. Other schemes reach local files or run programs.
	remote = regexp.MustCompile(`(?i)^(git\+)?https?://[^/\s]`)
	// archive is a name that uv takes for a file of the working directory.
	archive = regexp.MustCompile(`(?i)\.(whl|zip|tar|tgz|tbz2?|txz|tlz|tar\.[a-z0-9]+)$`)
	// option is a flag after a requirement, such as --hash and --config-settings.
	option = regexp.MustCompile(`\s--?[A-Za-z]`)
	// editable is how pip freeze, and so the client, lists a package of which somebody works on a clone. It is installed like any other.
	editable = regexp.MustCompile(`^(?:-e|--editable)[=\s]\s*(git\+https?://\S+)$`)
	dashes   = regexp.MustCompile(`[-_.]+`)
)

// ParseRequirements returns the requirements in one order and spelling, without comments and repetitions. They go to uv
// in a requirements file, whose syntax is richer than theirs (options, other files, variables): what is not plainly a
// package is refused. The error is a [*RequirementsError].
func ParseRequirements(lines []string) ([]string, error) {
	var parsed []string
	for _, line := range lines {
		text, err := parseRequirement(line)
		if err != nil {
			return nil, err
		}
		if text != "" {
			parsed = append(parsed, text)
		}
	}
	slices.Sort(parsed)
	return slices.Compact(parsed), nil
}

func parseRequirement(line string) (string, error) {
	text := strings.TrimSpace(line)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }) {
		return "", refuse(text, "holds a line break or a control character; give each requirement as an item of its own")
	}
	if strings.HasPrefix(text, "#") {
		return "", nil
	}
	text, _, _ = strings.Cut(text, " #")
	text = editable.ReplaceAllString(strings.TrimSpace(text), "$1")
	switch {
	case text == "":
		return "", nil
	case strings.HasPrefix(text, "-") || option.MatchString(text):
		return "", refuse(text, "holds an option; only packages can be asked for, and the cluster owner chooses the index")
	case strings.ContainsAny(text, `\`) || strings.Contains(text, "$"):
		return "", refuse(text, "holds a backslash or a dollar sign, which do not belong in a requirement")
	case remote.MatchString(text):
		return text, nil
	}
	return parseNamed(text)
}

func parseNamed(text string) (string, error) {
	m := named.FindStringSubmatch(text)
	if m == nil || archive.MatchString(m[1]) {
		return "", refuse(text, "is not a package name; name a package or an https:// or git+https:// URL, not a local file")
	}
	name, extras, rest := Canonical(m[1]), strings.Join(strings.Fields(m[2]), ""), m[3]
	switch {
	case rest == "":
		return name + extras, nil
	case strings.HasPrefix(rest, "@"):
		url := strings.TrimSpace(rest[1:])
		if !remote.MatchString(url) {
			return "", refuse(text, "names a place that is not https:// or git+https://; files of the executor cannot be installed")
		}
		return name + extras + " @ " + url, nil
	case strings.ContainsAny(rest[:1], "<>=!~(;") && !strings.Contains(rest, "/"):
		return name + extras + rest, nil
	}
	return "", refuse(text, "is neither a package with a version, such as numpy==1.26.4, nor a package @ URL")
}

// NameOf is the name of the package that a requirement asks for; one that is only a URL tells none.
func NameOf(requirement string) (string, bool) {
	m := named.FindStringSubmatch(requirement)
	if m == nil || remote.MatchString(requirement) {
		return "", false
	}
	return m[1], true
}

// Canonical spells a name as the index does (PEP 503).
func Canonical(name string) string { return strings.ToLower(dashes.ReplaceAllString(name, "-")) }

func refuse(requirement, why string) error {
	shown := Shorten(Redact(requirement), 100)
	return &RequirementsError{Requirement: shown, Reason: fmt.Sprintf("the requirement %q %s", shown, why)}
}
