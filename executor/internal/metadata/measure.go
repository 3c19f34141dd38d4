package metadata

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// measure returns the size of a value as JSON, at most one byte too high for each array and object and a few for each
// control character, and how many levels it has: none for what is neither array nor object.
func measure(value any) (size, depth int) {
	switch v := value.(type) {
	case map[string]any:
		size = len("{}")
		for key, member := range v {
			s, d := measure(member)
			size += sizeOfString(key) + len(":") + s + len(",")
			depth = max(depth, d)
		}
		return size, depth + 1
	case []any:
		size = len("[]")
		for _, element := range v {
			s, d := measure(element)
			size += s + len(",")
			depth = max(depth, d)
		}
		return size, depth + 1
	case string:
		return sizeOfString(v), 0
	case json.Number:
		return len(v), 0
	default:
		return len("false"), 0 // or true, or null
	}
}

func sizeOfString(s string) int {
	size := len(`""`)
	for _, r := range s {
		switch {
		case r == '"', r == '\\', r == '\n', r == '\r', r == '\t':
			size += 2
		case r < ' ', r == '\u2028', r == '\u2029':
			size += len(`\u2028`)
		default:
			size += utf8.RuneLen(r)
		}
	}
	return size
}

// clone returns a copy that shares nothing.
func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, member := range v {
			c[key] = clone(member)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, element := range v {
			c[i] = clone(element)
		}
		return c
	default:
		return v
	}
}

// equal compares as RFC 6902 section 4.6 says.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, member := range a {
			if other, there := b[key]; !there || !equal(member, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	default:
		return a == b
	}
}

// equalNumbers compares by value; whole numbers of any length exactly, fractions and exponents as far as float64 goes.
func equalNumbers(a, b string) bool {
	if a == b || !strings.ContainsAny(a+b, ".eE") && a != "-0" && b != "-0" {
		return a == b
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}
