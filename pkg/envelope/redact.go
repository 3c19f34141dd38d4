package envelope

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// redacted, embedded, keeps a type's content out of every print, log line and JSON document.
type redacted struct{}

// Format answers every verb of fmt alike, %x and %#v too.
func (redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redactedText) }

// String answers "[redacted]".
func (redacted) String() string { return redactedText }

// GoString answers "[redacted]".
func (redacted) GoString() string { return redactedText }

// LogValue answers "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalJSON answers "[redacted]" as a JSON string.
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }
