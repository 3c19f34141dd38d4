package envelope

import (
	"bytes"
	"encoding/json"

	"github.com/segmentio/asm/ascii"
)

// walk visits the members of the JSON object that b begins with, in order and in one pass, and returns the object's
// length. The visit gets a member's name and what follows the colon, and returns the length of the value there. A length
// of 0, of a visit's or of walk's, says that there is no such value, or none that is valid.
//
// encoding/json is not used here because it also takes "Payload" for "payload", so that two readers of one message
// could see different payloads, and because its several passes over a large payload cost more than decrypting it.
func walk(b []byte, visit func(name, rest []byte) int) int {
	rest, ok := cutByte(b, '{')
	if !ok {
		return 0
	}
	if end, empty := cutByte(rest, '}'); empty {
		return len(b) - len(end)
	}
	for {
		rest = skipSpace(rest)
		name, n := cutText(rest)
		if n == 0 {
			return 0
		}
		if rest, ok = cutByte(rest[n:], ':'); !ok {
			return 0
		}
		rest = skipSpace(rest)
		if n = visit(name, rest); n == 0 {
			return 0
		}
		rest = rest[n:]
		if next, more := cutByte(rest, ','); more {
			rest = next
			continue
		}
		if rest, ok = cutByte(rest, '}'); !ok {
			return 0
		}
		return len(b) - len(rest)
	}
}

// walkAll is walk for a text that is one object and nothing else.
func walkAll(text []byte, visit func(name, rest []byte) int) bool {
	n := walk(text, visit)
	return n > 0 && len(skipSpace(text[n:])) == 0
}

// member returns the value of the last member of that name in a valid JSON object, nil if there is none.
func member(object []byte, name string) []byte {
	var found []byte
	walk(object, func(n, rest []byte) int {
		length := valueLen(rest)
		if string(n) == name {
			found = rest[:length]
		}
		return length
	})
	return found
}

// valueLen returns the length of the valid JSON value that b begins with, 0 if there is none.
func valueLen(b []byte) int {
	n := 0
	switch {
	case len(b) == 0:
		return 0
	case b[0] == '"':
		_, n = cutText(b)
		return n
	case b[0] == '{' || b[0] == '[':
		n = nestedLen(b)
	default:
		n = len(b) - len(bytes.TrimLeft(b, "+-.0123456789abcdefghijklmnopqrstuvwxyzE"))
	}
	if !json.Valid(b[:n]) {
		return 0
	}
	return n
}

// cutText returns the content and the length of the valid JSON string that b begins with; a length of 0 if there is none.
// The content is a part of b unless it has escapes.
func cutText(b []byte) (content []byte, length int) {
	n := stringLen(b)
	if n == 0 {
		return nil, 0
	}
	if content = b[1 : n-1]; isPlain(content) {
		return content, n
	}
	var s string
	if json.Unmarshal(b[:n], &s) != nil {
		return nil, 0
	}
	return []byte(s), n
}

// isPlain reports whether a string is printable ASCII without escapes. For others encoding/json decides.
func isPlain(s []byte) bool {
	return ascii.ValidPrint(s) && bytes.IndexByte(s, '\\') < 0
}

func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// cutByte cuts white space and then c off the front.
func cutByte(b []byte, c byte) (rest []byte, ok bool) {
	return bytes.CutPrefix(skipSpace(b), []byte{c})
}

// stringLen finds the closing quote, from quote to quote, so that a payload costs what finding one byte in it costs.
func stringLen(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
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

// nestedLen finds the bracket that closes the first one.
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
