// Package cloudlog makes the loggers of all programs: log/slog records as the JSON lines that Cloud Logging reads.
//
// Every hop writes its lines through it to the stream that its platform collects. Delivery is the writer's: a line that
// cannot be written is lost without an error, as with every slog handler. It knows nothing of secrets: values that must
// not be seen have types of their own that print `[redacted]`.
package cloudlog

import (
	"context"
	"io"
	"log/slog"
)

// The special fields of Cloud Logging's structured logging.
// https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
const (
	severityField  = "severity"
	messageField   = "message"
	timestampField = "timestamp"
	sourceField    = "logging.googleapis.com/sourceLocation"
	labelsField    = "logging.googleapis.com/labels"
	traceField     = "logging.googleapis.com/trace"
	spanField      = "logging.googleapis.com/spanId"
	sampledField   = "logging.googleapis.com/trace_sampled"
)

// New returns a logger that writes records of the given level and above to w, labelled with the service's name. Records
// of level error and above carry where in the source they come from. [Trace] ties a line to its trace.
func New(w io.Writer, level slog.Level, service string) *slog.Logger {
	lines := func(source bool) slog.Handler {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{AddSource: source, Level: level, ReplaceAttr: replace})
	}
	var out slog.Handler = handler{plain: lines(false), located: lines(true)}
	if service != "" {
		labels := slog.Group(labelsField, slog.String("service", service)) //nolint:sloglint // Cloud Logging's name
		out = out.WithAttrs([]slog.Attr{labels})
	}
	return slog.New(out)
}

// Severity returns Cloud Logging's name for a level.
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
func Severity(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO"
	case level < slog.LevelError:
		return "WARNING"
	case level < slog.LevelError+4:
		return "ERROR"
	default:
		return "CRITICAL"
	}
}

// handler sends errors to the handler that adds the source, since finding it costs more than the rest of a line.
type handler struct{ plain, located slog.Handler }

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.plain.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		return h.located.Handle(ctx, r)
	}
	return h.plain.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{plain: h.plain.WithAttrs(attrs), located: h.located.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{plain: h.plain.WithGroup(name), located: h.located.WithGroup(name)}
}

// replace gives slog's own fields the names and values that Cloud Logging expects.
func replace(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case slog.LevelKey:
		if level, ok := attr.Value.Any().(slog.Level); ok {
			return slog.String(severityField, Severity(level))
		}
	case slog.MessageKey:
		attr.Key = messageField
	case slog.TimeKey:
		attr.Key = timestampField
	case slog.SourceKey:
		attr.Key = sourceField
	}
	return attr
}
