package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reportPrinter prints what comes, each report once, and says what may leave the queue.
type reportPrinter struct {
	a      *app
	on     screen
	flags  reportsFlags
	keys   []*envelope.PrivateKey
	prints []string // the keys' fingerprints
	seen   memory

	shown, unread int
	why           error // the first that could not be opened
}

// memory is which of the latest messages came, by their ids, and whether each may leave the queue. A follower reads for months.
type memory struct{ latest, before map[string]bool }

// remembered is how many messages each half of a memory holds: more than a queue should hold, and so than come again.
const remembered = 50_000

func (m *memory) of(id string) (taken, known bool) {
	if taken, known = m.latest[id]; !known {
		taken, known = m.before[id]
	}
	return taken, known && id != ""
}

func (m *memory) keep(id string, taken bool) {
	if m.latest == nil || len(m.latest) >= remembered {
		m.latest, m.before = map[string]bool{}, m.latest
	}
	m.latest[id] = taken
}

func (p *reportPrinter) take(m client.Response) (taken bool, err error) {
	if taken, again := p.seen.of(m.ID); again {
		return taken, nil
	}
	r, err := report.Open(m.Body, p.keys...)
	if err != nil {
		return p.unreadable(m, err), nil
	}
	if !strings.HasPrefix(r.GetExperimentId().GetValue(), p.flags.experiment) {
		return false, nil
	}
	if err := p.print(m.ID, r); err != nil {
		return false, err
	}
	p.shown++
	p.seen.keep(m.ID, !p.flags.peek)
	return !p.flags.peek, nil
}

// unreadable counts what the keys do not open. A follower is told at once, but once.
func (p *reportPrinter) unreadable(m client.Response, err error) (taken bool) {
	p.seen.keep(m.ID, p.flags.discardUnknown)
	p.unread++
	if p.why == nil {
		p.why = err
		if p.flags.follow {
			p.a.tell("A report could not be opened with %s: %v", strings.Join(p.prints, " or "), err)
		}
	}
	return p.flags.discardUnknown
}

func (p *reportPrinter) print(id string, r *report.Report) error {
	if !p.a.json {
		_, err := fmt.Fprintln(p.a.out, reportLine(r, p.on))
		if err != nil {
			return fmt.Errorf("print a report: %w", err)
		}
		return nil
	}
	text, err := protojson.Marshal(r)
	if err != nil {
		return errors.New("print a report: a text in it is not UTF-8")
	}
	return p.a.printJSON(map[string]any{"message_id": id, "report": rawJSON(text)})
}

// rawJSON stands in other JSON as it is.
type rawJSON []byte

// MarshalJSON returns it.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// reportLine is a report as a line for people: when, of which experiment, how it stands, and what it says.
func reportLine(r *report.Report, on screen) string {
	who := printable(r.GetExperimentId().GetValue())
	if who == "" {
		who = "message " + short(printable(r.GetUniqueId().GetValue()))
	}
	if on.width > 0 && on.width < wideEnough {
		who = who[:min(len(who), shortest)]
	}
	what, how, text := said(r)
	const whatWidth = 9
	indent := len(time.TimeOnly) + len(gap) + max(len(who), shortest) + len(gap) + whatWidth
	return strings.TrimRight(fmt.Sprintf("%s  %-*s  %s%s", on.paint(dim, r.GetTime().AsTime().Local().Format(time.TimeOnly)), shortest, who,
		on.paint(how, fmt.Sprintf("%-*s", whatWidth, what)), hang(printable(text), on.width, indent)), " ")
}

// said is a report's payload: a state or a severity, how it looks, and the words.
func said(r *report.Report) (what string, how style, text string) {
	switch payload := r.GetPayload().(type) {
	case *report.Report_Logging:
		severity := payload.Logging.GetSeverity()
		return strings.ToLower(severity.String()), styleOfSeverity(severity), payload.Logging.GetMessage().GetValue()
	case *report.Report_Progress:
		progress := payload.Progress
		if json := progress.GetJson().GetValue(); json != "" {
			return "json", normal, json
		}
		state := progress.GetState()
		text = progress.GetError().GetMsg().GetValue()
		if code := progress.GetError().GetCode(); code != 0 && text == "" {
			text = fmt.Sprintf("exit code %d", code)
		}
		return state.String(), styleOfState(state), text
	case *report.Report_Text:
		return "text", normal, payload.Text.GetValue()
	default:
		return "other", dim, "a payload that this studioctl does not know; --json shows it"
	}
}

func styleOfSeverity(s report.LogSeverity) style {
	switch {
	case s >= report.LogSeverity_Error:
		return red
	case s >= report.LogSeverity_Warning:
		return yellow
	case s == report.LogSeverity_Trace, s == report.LogSeverity_Debug:
		return dim
	default:
		return normal
	}
}

func styleOfState(s report.TaskState) style {
	switch s {
	case report.TaskState_Started:
		return cyan
	case report.TaskState_Stopping:
		return yellow
	case report.TaskState_Failed:
		return red
	case report.TaskState_Success:
		return green
	default:
		return normal
	}
}

// printable keeps what anybody may have sealed from steering the reader's terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\t' && c != '\n' || unicode.Is(unicode.Cf, c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}
