package cloudlog

import (
	"log/slog"
	"regexp"
)

// traceParent is version 00 of W3C's header, whose fields later versions keep.
// https://www.w3.org/TR/trace-context/#traceparent-header
var traceParent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})`)

// Trace returns the attributes that show a line under its trace: project is the Google Cloud project, parent the W3C
// traceparent. What is no traceparent adds nothing.
func Trace(project, parent string) slog.Attr {
	found := traceParent.FindStringSubmatch(parent)
	if found == nil {
		return slog.Attr{}
	}
	return slog.Group("",
		slog.String(traceField, "projects/"+project+"/traces/"+found[1]),
		slog.String(spanField, found[2]),
		slog.Bool(sampledField, found[3] == "01"))
}
