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
	a.printFacts(d)
	if len(d.History) > 0 {
		fmt.Fprintln(a.out, "\nAttempts")
		if err := a.attemptTable(d).print(); err != nil {
			return err
		}
	}
	if len(d.Artifacts) > 0 {
		fmt.Fprintln(a.out, "\nArtifacts")
		if err := a.artifactTable(d.Artifacts).print(); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "\n%s\n", wrap(next(d.Experiment), on.width))
	return nil
}

func (a *app) printFacts(d client.Detail) {
	for _, fact := range [][2]string{
		{"Runs", strings.Join(append([]string{d.Script}, d.Args...), " ")},
		{"Python", withRequirements(d.Python, d.Requirements)},
		{"Asks for", d.Resources},
		{"Limit", d.MaxDuration},
		{"Project", d.Project},
		{"Added", timeOf(d.Added)},
		{"Started", timeOf(d.Started)},
		{"Last saved", timeOf(d.Saved)},
		{"Finished", timeOf(d.Finished)},
		{"Took", strings.Trim(took(d.Experiment), "-")},
		{"Record", d.Object},
	} {
		if text := strings.TrimSpace(fact[1]); text != "" {
			fmt.Fprintf(a.out, "%-11s %s\n", fact[0], text)
		}
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
func next(e client.Experiment) string {
	logs, get := "studioctl logs "+e.Key, "studioctl get "+e.Key
	switch statusOf(e) {
	case "waiting":
		return "Next: it waits for an executor. `studioctl watch` shows when it is taken or refused; `studioctl explain` tells before a submission whether it would be refused, and why."
	case "running":
		return "Next: follow it with `" + logs + " -f`, or end it with `studioctl stop " + e.Key + "`."
	case "completed":
		return "Next: read its output with `" + logs + "`, or fetch what it wrote with `" + get + " LABEL`."
	case "failed":
		return "Next: `" + logs + "` shows what it printed; mend the cause and submit it again."
	case "timed_out":
		return "Next: submit it again with a longer --max-duration or --lifetime; what it wrote is saved: `" + get + "`."
	case "expired":
		return "Next: submit it again, with a longer --lifetime if the queue is busy."
	case "refused":
		return "Next: change what the reason names, and check it with `studioctl explain` before you submit it again."
	case "lost":
		return "Next: submit it again; if it is lost once more, tell the people who look after the cluster its key."
	default:
		return "Next: `" + logs + "` shows its output, and `" + get + "` what is stored of it."
	}
}

// wrap breaks text between words where a terminal would break it within them.
func wrap(text string, width int) string {
	if width < 20 {
		return text
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		current := ""
		for _, word := range strings.Fields(line) {
			if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
				lines, current = append(lines, current), ""
			}
			current = strings.TrimPrefix(current+" "+word, " ")
		}
		lines = append(lines, current)
	}
	return strings.Join(lines, "\n")
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
