package cloudlog_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
)

// line runs log with a logger of level info and returns the fields of the one line that it wrote, nil for none.
func line(t *testing.T, log func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log(cloudlog.New(&out, slog.LevelInfo, "bridge"))
	if out.Len() == 0 {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatalf("line %q: %v", out.String(), err)
	}
	return fields
}

func TestALineHasTheFieldsThatCloudLoggingReads(t *testing.T) {
	t.Parallel()
	got := line(t, func(l *slog.Logger) { l.Info("relayed", "queue", "rmq_test") })
	if got["severity"] != "INFO" || got["message"] != "relayed" || got["queue"] != "rmq_test" {
		t.Errorf("line = %v", got)
	}
	if _, err := time.Parse(time.RFC3339Nano, got["timestamp"].(string)); err != nil {
		t.Errorf("timestamp: %v", err)
	}
	labels, _ := got["logging.googleapis.com/labels"].(map[string]any)
	if labels["service"] != "bridge" {
		t.Errorf("labels = %v", got["logging.googleapis.com/labels"])
	}
	for _, absent := range []string{"level", "msg", "time", "source", "logging.googleapis.com/sourceLocation"} {
		if _, ok := got[absent]; ok {
			t.Errorf("line has %q: %v", absent, got)
		}
	}
}

func TestLevelsBecomeSeverities(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR", slog.LevelError + 4: "CRITICAL",
	} {
		if got := cloudlog.Severity(level); got != want {
			t.Errorf("Severity(%v) = %s; want %s", level, got, want)
		}
	}
}

func TestLinesBelowTheLevelAreNotWritten(t *testing.T) {
	t.Parallel()
	if got := line(t, func(l *slog.Logger) { l.Debug("unseen") }); got != nil {
		t.Errorf("line = %v; want none", got)
	}
}

func TestAnErrorSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	got := line(t, func(l *slog.Logger) { l.With("queue", "rmq_test").Error("lost") })
	source, _ := got["logging.googleapis.com/sourceLocation"].(map[string]any)
	if file, _ := source["file"].(string); !strings.HasSuffix(file, "cloudlog_test.go") {
		t.Errorf("sourceLocation = %v", source)
	}
	if got["queue"] != "rmq_test" {
		t.Errorf("an error's line lost its attributes: %v", got)
	}
}

func TestFieldsOfAGroupKeepTheirNames(t *testing.T) {
	t.Parallel()
	got := line(t, func(l *slog.Logger) { l.WithGroup("request").Info("seen", "level", 3, "msg", "x") })
	group, _ := got["request"].(map[string]any)
	if group["level"] != 3.0 || group["msg"] != "x" {
		t.Errorf("group = %v", group)
	}
}

func TestATraceParentBecomesTraceAndSpan(t *testing.T) {
	t.Parallel()
	parent := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	got := line(t, func(l *slog.Logger) { l.Info("seen", cloudlog.Trace("p", parent)) })
	if got["logging.googleapis.com/trace"] != "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736" ||
		got["logging.googleapis.com/spanId"] != "00f067aa0ba902b7" || got["logging.googleapis.com/trace_sampled"] != true {
		t.Errorf("line = %v", got)
	}
}

func TestWhatIsNoTraceParentAddsNothing(t *testing.T) {
	t.Parallel()
	got := line(t, func(l *slog.Logger) { l.Info("seen", cloudlog.Trace("p", "nonsense")) })
	if _, ok := got["logging.googleapis.com/trace"]; ok {
		t.Errorf("line = %v", got)
	}
}
