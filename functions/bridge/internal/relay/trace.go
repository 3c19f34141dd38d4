package relay

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
)

// traceParent is W3C's header in version 00. https://www.w3.org/TR/trace-context/#traceparent-header
var traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

// traceFrom returns the trace context among a message's headers, or a new one, sampled, where there is none.
func traceFrom(headers map[string]any) string {
	var parent string
	switch value := headers["traceparent"].(type) {
	case string:
		parent = value
	case []byte:
		parent = string(value)
	}
	if ids := traceParent.FindStringSubmatch(parent); ids != nil && strings.Trim(ids[1], "0") != "" && strings.Trim(ids[2], "0") != "" {
		return parent
	}
	var ids [24]byte
	_, _ = rand.Read(ids[:]) // never fails
	return "00-" + hex.EncodeToString(ids[:16]) + "-" + hex.EncodeToString(ids[16:]) + "-01"
}
