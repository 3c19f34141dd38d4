package request

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is the longest name of a file in bytes on the file systems in use (NAME_MAX).
const longestName = 255

// ValidKey reports why an experiment's key may not become part of a path or an object's name. A leading underscore is
// allowed: our own objects beside an experiment's lie below its key, not beside it.
func ValidKey(key string) error { return validName(key) }

// ValidLabel reports why an artifact's label may not become a folder.
func ValidLabel(label string) error { return validName(label) }

func validName(name string) error {
	switch {
	case name == "":
		return errors.New("missing")
	case len(name) > longestName:
		return errors.New("longer than 255 bytes")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("holds a character that cannot be printed")
	case strings.ContainsAny(name, `/\`):
		return errors.New("holds a slash")
	case strings.Contains(name, ".."):
		return errors.New("holds two dots in a row")
	case name[0] == '-' || name[0] == '.':
		return errors.New("begins with a dash or a dot")
	}
	return nil
}
