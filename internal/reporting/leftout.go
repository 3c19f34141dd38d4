package reporting

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// LeftOut counts reports that are not sent.
type LeftOut struct{ Lines, JSON int }

// Any tells whether there is something to say.
func (l LeftOut) Any() bool { return l.Lines+l.JSON > 0 }

// Report says, in place of the reports, how many there were and why they are not there.
func (l LeftOut) Report(of Subject, at time.Time, why string) *report.Report {
	fields := map[string]string{"left_out_lines": strconv.Itoa(l.Lines), "left_out_json": strconv.Itoa(l.JSON)}
	return of.Logging(at, report.LogSeverity_Warning, fmt.Sprintf("%s not reported here, since %s. The output that is saved has everything.", l, why), fields)
}

// String is like "1200 lines of output and 3 lines of JSON are".
func (l LeftOut) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{l.Lines, "of output"}, {l.JSON, "of JSON"}} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 line "+p.what)
		default:
			parts = append(parts, fmt.Sprintf("%d lines %s", p.n, p.what))
		}
	}
	verb := " are"
	if l.Lines+l.JSON == 1 {
		verb = " is"
	}
	return strings.Join(parts, " and ") + verb
}

// Add counts a report of a kind.
func (l *LeftOut) Add(kind string) {
	if kind == message.JSONReport {
		l.JSON++
	} else {
		l.Lines++
	}
}
