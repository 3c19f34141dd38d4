package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

func newShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show KEY", Aliases: []string{"status"}, Short: "Show one experiment: how it stands, why, and what to do next", Args: usageArgs(cobra.ExactArgs(1)),
		GroupID: groupExperiments, SuggestFor: []string{"describe", "inspect", "info"},
		Long: `Show tells everything about one experiment: how it stands and why, what it runs,
its times, its attempts, what is stored of it, and what to do next. With --json,
the whole record too.

KEY may be the beginning of a key that no other key has.`,
		Example: `  studioctl show 1764000000_0f7c
  studioctl show 1764000000_0f7c --json | jq .record.cloud.document`,
		ValidArgsFunction: a.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withExperiment(cmd.Context(), args[0], func(c *client.Client, key string) error {
				d, err := c.Detail(cmd.Context(), key)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(d)
				}
				return a.printDetail(d)
			})
		},
	}
}

func (a *app) printDetail(d client.Detail) error {
	on := a.screenOf(a.out)
	stands := statusOf(d.Experiment)
	if d.ExitCode != nil {
		stands += fmt.Sprintf(", exit code %d", *d.ExitCode)
	}
	fmt.Fprintf(a.out, "%s\n%s\n", on.paint(bold, d.Key), on.paint(styleOf(statusOf(d.Experiment)), stands))
	if d.Reason != "" {
		fmt.Fprintln(a.out, wrap(d.Reason, on.width))
	}
	fmt.Fprintln(a.out)
	a.printFacts(on, d)
	if len(d.History) > 1 {
		fmt.Fprintln(a.out)
		if err := a.attemptTable(d).print(); err != nil {
			return err
		}
	}
	sentence, commands := next(d.Experiment)
	fmt.Fprintf(a.out, "\n%s\n", wrap(sentence, on.width))
	for _, command := range commands {
		fmt.Fprintf(a.out, "  studioctl %s\n", command)
	}
	return nil
}

func (a *app) printFacts(on screen, d client.Detail) {
	var stored []string
	for _, found := range d.Artifacts {
		stored = append(stored, found.Label+" "+humanize.Bytes(uint64(max(found.Size, 0))))
	}
	finished := timeOf(d.Finished)
	if finished != "" {
		finished += "; took " + took(d.Experiment)
	}
	for _, fact := range [][2]string{
		{"Runs", strings.Join(append([]string{d.Script}, d.Args...), " ")},
		{"Python", withRequirements(d.Python, d.Requirements)},
		{"Asks for", d.Resources},
		{"Limit", d.MaxDuration},
		{"Project", d.Project},
		{"Pool", strings.TrimSuffix(d.Pool+", executor "+d.Executor, ", executor ")},
		{"Added", timeOf(d.Added)},
		{"Started", timeOf(d.Started)},
		{"Last saved", timeOf(d.Saved)},
		{"Finished", finished},
		{"Stored", strings.Join(stored, ", ")},
		{"Record", d.Object},
	} {
		a.fact(on, fact[0], strings.TrimSpace(fact[1]))
	}
}

func withRequirements(python string, requirements []string) string {
	if len(requirements) == 0 {
		return python
	}
	list := strings.Join(requirements[:min(len(requirements), 5)], ", ")
	if more := len(requirements) - 5; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return strings.TrimSpace(python + " with " + list)
}

func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime) + ", " + humanTime(t)
}

func (a *app) attemptTable(d client.Detail) *table {
	t := a.table("#", "ID", "POOL", "EXECUTOR", "STARTED", "TOOK", "OUTCOME")
	t.spare = []string{"ID", "POOL"}
	for i, at := range d.History {
		end := at.Ended
		if end.IsZero() && d.Finished.IsZero() {
			end = time.Now()
		}
		outcome := cmp.Or(at.Outcome, "running")
		t.row(plain(strconv.Itoa(i+1)), plain(short(at.ID)), plain(at.Pool), plain(at.Executor), plain(at.Started.Local().Format(time.DateTime)),
			plain(roughly(cmp.Or(end, d.Finished).Sub(at.Started))), cell{outcome, styleOf(outcome)})
	}
	return t
}

// next is what to do now, for each way in which an experiment can stand.
func next(e client.Experiment) (sentence string, commands []string) {
	logs, get := "logs "+e.Key, "get "+e.Key
	switch statusOf(e) {
	case "waiting":
		return "It waits for an executor. See what happens to it, or stop it; `studioctl explain` tells before a submission whether it would be refused:", []string{"watch", "stop " + e.Key}
	case "running":
		return "Follow it, or stop it:", []string{"logs -f " + e.Key, "stop " + e.Key}
	case "completed":
		return "Read its output, or fetch what it wrote:", []string{logs, get + " LABEL"}
	case "failed":
		return "See what it printed, mend the cause and submit it again:", []string{logs}
	case "timed_out":
		return "Submit it again with a longer --max-duration or --lifetime. What it wrote is saved:", []string{get}
	case "expired":
		return "Submit it again, with a longer --lifetime if the queue is busy.", nil
	case "refused":
		return "Change what the reason names, and check it with `studioctl explain` before you submit it again.", nil
	case "lost":
		return "Submit it again; if it is lost once more, tell the people who look after the cluster its key.", nil
	default:
		return "See its output, and what is stored of it:", []string{logs, get}
	}
}

// wrap breaks lines between words where a terminal would break them within.
func wrap(text string, width int) string {
	if width < 20 {
		return text
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		for utf8.RuneCountInString(line) > width {
			head := string([]rune(line)[:width+1])
			at := strings.LastIndexByte(head, ' ')
			if at <= 0 || strings.TrimSpace(head[:at]) == "" { // a word that is longer than a line
				if at = strings.IndexByte(strings.TrimLeft(line, " "), ' '); at < 0 {
					break
				}
				at += len(line) - len(strings.TrimLeft(line, " "))
			}
			lines, line = append(lines, line[:at]), line[at+1:]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// hang wraps the text of a last column, whose lines all begin at indent.
func hang(text string, width, indent int) string {
	if width < indent+20 {
		return text
	}
	return strings.ReplaceAll(wrap(text, width-indent), "\n", "\n"+strings.Repeat(" ", indent))
}

// withClient opens a client for a command and closes it afterwards.
func (a *app) withClient(ctx context.Context, do func(*client.Client, target) error) error {
	c, to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(c, to), c.Close())
}

// withExperiment finds an experiment by the beginning of its key.
func (a *app) withExperiment(ctx context.Context, prefix string, do func(c *client.Client, key string) error) error {
	return a.withClient(ctx, func(c *client.Client, _ target) error {
		key, err := c.Find(ctx, prefix)
		if err != nil {
			return err
		}
		return do(c, key)
	})
}
