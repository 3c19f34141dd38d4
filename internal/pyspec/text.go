package pyspec

import (
	"regexp"
	"strings"
)

// userinfo is the part of a URL that may be a password.
var userinfo = regexp.MustCompile(`://[^/\s"'@]*(?:@[^/\s"'@]*)*@`)

// Redact hides the user parts of URLs.
func Redact(text string) string { return userinfo.ReplaceAllString(text, "://[redacted]@") }

// Shorten cuts text to at most limit bytes, between runes.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
