package request

import (
	"bytes"
	"encoding/json"
)

// The functions here cut valid JSON (json.Valid) into its parts without copying them. encoding/json is not used for
// this: it scans each level of nesting several times over, which the relay's rate would pay for with every message.

// members returns the members of an object, the last one of each name; false for another value.
func members(object []byte) (map[string]json.RawMessage, bool) {
	if len(object) == 0 || object[0] != '{' {
		return nil, false
	}
	all := map[string]json.RawMessage{}
	for rest := skipSpace(object[1:]); rest[0] != '}'; {
		end := valueEnd(rest)
		name, _ := scalar(rest[:end])
		rest = skipSpace(skipSpace(rest[end:])[1:]) // the colon
		end = valueEnd(rest)
		all[name] = rest[:end:end]
		rest = skipComma(rest[end:])
	}
	return all, true
}

// elements returns the elements of an array; false for another value.
func elements(array []byte) ([]json.RawMessage, bool) {
	if len(array) == 0 || array[0] != '[' {
		return nil, false
	}
	var all []json.RawMessage
	for rest := skipSpace(array[1:]); rest[0] != ']'; {
		end := valueEnd(rest)
		all = append(all, rest[:end:end])
		rest = skipComma(rest[end:])
	}
	return all, true
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

func skipComma(b []byte) []byte {
	if b = skipSpace(b); b[0] == ',' {
		b = skipSpace(b[1:])
	}
	return b
}

// valueEnd returns the length of the value that b begins with.
func valueEnd(b []byte) int {
	switch b[0] {
	case '"':
		return stringEnd(b)
	case '{', '[':
		return nestedEnd(b)
	}
	if end := bytes.IndexAny(b, ",]} \n\t\r"); end >= 0 {
		return end
	}
	return len(b)
}

func stringEnd(b []byte) int {
	for i := 1; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		backslashes := 0
		for b[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

func nestedEnd(b []byte) int {
	for i, depth := 0, 0; ; i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}
