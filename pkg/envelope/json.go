package envelope

import (
	"bytes"
	"encoding/json"
)

// walk visits the members of a JSON object in order, without copying values. It reports whether the text is one object
// and every visit agreed; to look at a value's own validity is for the visit ([valid]).
//
// encoding/json is not used here because it also takes "Payload" for "payload", so that two readers of one message
// could see different payloads, and because its several passes over a large payload cost more than decrypting it.
func walk(object []byte, visit func(name, value []byte) bool) bool {
	rest, ok := cutByte(object, '{')
	if !ok {
		return false
	}
	if end, empty := cutByte(rest, '}'); empty {
		return len(skipSpace(end)) == 0
	}
	for {
		name, after := cutValue(rest)
		if len(name) < 2 || name[0] != '"' || !valid(name) {
			return false
		}
		if rest, ok = cutByte(after, ':'); !ok {
			return false
		}
		value, after := cutValue(rest)
		if len(value) == 0 || !visit(unquoteName(name), value) {
			return false
		}
		if rest, ok = cutByte(after, ','); ok {
			continue
		}
		rest, ok = cutByte(after, '}')
		return ok && len(skipSpace(rest)) == 0
	}
}

// member returns the value of the last member of that name in valid JSON, nil if there is none.
func member(object []byte, name string) []byte {
	var found []byte
	walk(object, func(n, value []byte) bool {
		if string(n) == name {
			found = value
		}
		return true
	})
	return found
}

// valid is json.Valid, but quick for a long string without escapes.
func valid(value []byte) bool { return isPlainString(value) || json.Valid(value) }

func isPlainString(value []byte) bool {
	if len(value) < 2 || value[0] != '"' {
		return false
	}
	inside := value[1 : len(value)-1]
	for _, c := range inside {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return true
}

// text returns the string that a valid JSON value is; false for any other value.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	var s string
	return s, json.Unmarshal(value, &s) == nil
}

func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

func unquoteName(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := text(quoted)
	return []byte(name)
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// cutByte cuts white space and then c off the front.
func cutByte(b []byte, c byte) (rest []byte, ok bool) {
	return bytes.CutPrefix(skipSpace(b), []byte{c})
}

// cutValue cuts white space and then one value off the front; an empty value if there is none that ends.
func cutValue(b []byte) (value, rest []byte) {
	b = skipSpace(b)
	n := valueLen(b)
	return b[:n], b[n:]
}

// valueLen finds where the value ends that b begins with, if it is a valid one; 0 if it does not end.
func valueLen(b []byte) int {
	switch {
	case len(b) == 0:
		return 0
	case b[0] == '"':
		return stringLen(b)
	case b[0] == '{' || b[0] == '[':
		return nestedLen(b)
	default:
		return len(b) - len(bytes.TrimLeft(b, "+-.0123456789abcdefghijklmnopqrstuvwxyzE"))
	}
}

// stringLen skips from quote to quote, so that a payload costs what finding one byte in it costs.
func stringLen(b []byte) int {
	for i := 1; ; i++ {
		next := bytes.IndexByte(b[i:], '"')
		if next < 0 {
			return 0
		}
		i += next
		unescaped := bytes.TrimRight(b[:i], `\`)
		if (i-len(unescaped))%2 == 0 {
			return i + 1
		}
	}
}

func nestedLen(b []byte) int {
	for i, depth := 0, 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringLen(b[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
