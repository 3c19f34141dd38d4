// Package settings compares what a deployment sets with what its programs read and require, both ways.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Program is what its sources say of its settings.
type Program struct {
	Name     string
	Reads    map[string]bool
	Requires map[string]bool
}

var (
	tag = regexp.MustCompile("`env:\"([A-Z0-9_]+)")
	// What config.go says of a setting without which a program does not start.
	required = []*regexp.Regexp{
		regexp.MustCompile(`"([A-Z0-9_]+) is not set`), regexp.MustCompile(`"([A-Z0-9_]+) is empty: name the (?:project|file)`),
		regexp.MustCompile(`f\.(?:required|broker)\("([A-Z0-9_]+)"`), regexp.MustCompile(`"(POOLS): %w"`), regexp.MustCompile(`"(POOL) %q is not in POOLS"`),
	}
)

// libraries read these, wherever they run: the platform's port, Go's and NVML's search paths.
var libraries = []string{"PORT", "SSL_CERT_DIR", "SSL_CERT_FILE", "FUNCTION_TARGET"}

// Read finds the settings in the text of a program's config.go files.
func Read(name, sources string) Program {
	p := Program{Name: name, Reads: map[string]bool{}, Requires: map[string]bool{}}
	for _, m := range tag.FindAllStringSubmatch(sources, -1) {
		p.Reads[m[1]] = true
	}
	for _, pattern := range required {
		for _, m := range pattern.FindAllStringSubmatch(sources, -1) {
			p.Requires[m[1]] = p.Reads[m[1]]
		}
	}
	return p
}

// Check compares; where is for people.
func (p Program) Check(where string, set []string) (faults error) {
	for _, name := range set {
		if !p.Reads[name] && !slices.Contains(libraries, name) {
			faults = errors.Join(faults, fmt.Errorf("%s sets %s, which %s does not read", where, name, p.Name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Requires)) {
		if p.Requires[name] && !slices.Contains(set, name) {
			faults = errors.Join(faults, fmt.Errorf("%s does not set %s, without which %s does not start", where, name, p.Name))
		}
	}
	return faults
}

var assigned = regexp.MustCompile(`\b([A-Z][A-Z0-9_]*[A-Z0-9])\s*=[^=>]`)

// Terraform finds the names that a block of HCL assigns. The block begins with begin, which ends with its brace or parenthesis;
// maps of the file that it merges (local.NAME) belong to it.
func Terraform(hcl, begin string) ([]string, error) {
	block, err := block(hcl, begin)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range assigned.FindAllStringSubmatch(block, -1) {
		names = append(names, m[1])
	}
	for _, m := range regexp.MustCompile(`local\.([a-z]+)\b`).FindAllStringSubmatch(block, -1) {
		value := regexp.MustCompile(`(?m)^  ` + m[1] + ` += [^{\n]*(?:\{\}[^{\n]*)?\{`).FindString(hcl) // {} is the other case of a condition
		if value == "" {
			return nil, fmt.Errorf("there is no map %s", m[1])
		}
		more, err := Terraform(hcl, value)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return slices.DeleteFunc(names, func(name string) bool { // a map less one of its names
		return strings.Contains(block, `if k != "`+name+`"`)
	}), nil
}

// block ends where what begin opens is closed. Braces in texts and comments are paired there, too.
func block(hcl, begin string) (string, error) {
	start := strings.Index(hcl, begin)
	if start < 0 {
		return "", fmt.Errorf("there is no %q", strings.TrimSpace(begin))
	}
	start += len(begin)
	for at, depth := start, 1; at < len(hcl); at++ {
		switch hcl[at] {
		case '{', '(':
			depth++
		case '}', ')':
			depth--
		}
		if depth == 0 {
			return hcl[start:at], nil
		}
	}
	return "", fmt.Errorf("%q is not closed", strings.TrimSpace(begin))
}
