package request

import "strings"

// unquote undoes POSIX shell quoting as Python's shlex.split does, but always gives one argument: clients quote each
// argument by itself (shlex.quote), so unquoted white space, which only a client that does not quote can send, stays.
// Nothing is expanded. Text whose quotes do not close comes from such a client too and is kept as it is: refusing it
// would lose the experiment, and a guess at the missing quote would change the argument.
func unquote(text string) string {
	const plain = 0
	var out strings.Builder
	quote, escaped := byte(plain), false
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			// Inside double quotes shlex keeps the backslash before anything but a quote or a backslash.
			if quote == '"' && c != '"' && c != '\\' {
				out.WriteByte('\\')
			}
			out.WriteByte(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped = true
		case quote == plain && (c == '\'' || c == '"'):
			quote = c
		case quote != plain && c == quote:
			quote = plain
		default:
			out.WriteByte(c)
		}
	}
	if escaped || quote != plain {
		return text
	}
	return out.String()
}
