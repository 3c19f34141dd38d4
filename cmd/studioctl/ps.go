package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

// psFlags are the options of ps.
type psFlags struct {
	limit       int
	wide, quiet bool
}

func newPs(a *app) *cobra.Command {
	var f psFlags
	cmd := &cobra.Command{
		Use: "ps", Aliases: []string{"list", "ls"}, Short: "List experiments, newest first", Args: usageArgs(cobra.NoArgs), GroupID: groupExperiments,
		Long: `Ps lists the newest experiments and how they stand.

Where the terminal is too narrow for whole keys, their beginnings are shown:
every command takes the beginning of a key instead of the key. What is not
printed to a terminal has whole keys always.`,
		Example: `  studioctl ps
  studioctl ps --wide
  studioctl ps --json | jq -r 'select(.outcome == "failed").key'
  studioctl ps -q --limit 1 | xargs studioctl logs`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withClient(cmd.Context(), func(c *client.Client, _ target) error {
				list, err := c.Experiments(cmd.Context(), f.limit)
				if err != nil {
					return err
				}
				return a.printExperiments(list, f)
			})
		},
	}
	cmd.Flags().IntVar(&f.limit, "limit", 50, "how many at most")
	cmd.Flags().BoolVarP(&f.wide, "wide", "w", false, "whole keys, executors, exit codes and reasons, however long the lines")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "print the keys only")
	return cmd
}

func (a *app) printExperiments(list []client.Experiment, f psFlags) error {
	if f.quiet || a.json {
		for _, e := range list {
			if a.json {
				if err := a.printJSON(e); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(a.out, e.Key)
		}
		return nil
	}
	if len(list) == 0 {
		a.tell("No experiments. Submit one with: studioctl submit FILE.py")
		return nil
	}
	if f.wide {
		return a.wide(list).print()
	}
	t := a.narrow(list, func(key string) string { return key })
	if !t.fits() {
		t = a.narrow(list, shortKeys(list))
	}
	return t.print()
}

func (a *app) narrow(list []client.Experiment, shown func(string) string) *table {
	t := a.table("KEY", "STATUS", "POOL", "ATTEMPTS", "ADDED", "TOOK")
	t.spare = []string{"ATTEMPTS", "TOOK", "POOL", "ADDED"}
	for _, e := range list {
		t.row(plain(shown(e.Key)), statusCell(e), plain(orDash(e.Pool)), plain(strconv.Itoa(e.Attempts)), plain(humanTime(e.Added)), plain(took(e)))
	}
	return t
}

func (a *app) wide(list []client.Experiment) *table {
	t := a.table("KEY", "STATUS", "POOL", "EXECUTOR", "ATTEMPTS", "EXIT", "ADDED", "TOOK", "REASON")
	for _, e := range list {
		exit := "-"
		if e.ExitCode != nil {
			exit = strconv.Itoa(*e.ExitCode)
		}
		reason, _, _ := strings.Cut(e.Reason, "\n")
		t.row(plain(e.Key), statusCell(e), plain(orDash(e.Pool)), plain(orDash(e.Executor)), plain(strconv.Itoa(e.Attempts)), plain(exit),
			plain(humanTime(e.Added)), plain(took(e)), plain(reason))
	}
	return t
}

// shortest is how much of a key is shown at least: of the client's form, the time and four more.
const shortest = 15

// shortKeys shortens keys to beginnings that are unique among the listed, as git does.
func shortKeys(list []client.Experiment) func(string) string {
	return func(key string) string {
		for n := shortest; n < len(key); n++ {
			begins := 0
			for _, e := range list {
				if strings.HasPrefix(e.Key, key[:n]) {
					begins++
				}
			}
			if begins == 1 {
				return key[:n]
			}
		}
		return key
	}
}

// statusOf is the outcome, or how things stand before there is one.
func statusOf(e client.Experiment) string { return cmp.Or(e.Outcome, e.Status) }

func statusCell(e client.Experiment) cell { return cell{statusOf(e), styleOf(statusOf(e))} }

func took(e client.Experiment) string {
	switch {
	case e.Started.IsZero():
		return "-"
	case e.Finished.IsZero():
		return time.Since(e.Started).Round(time.Second).String()
	default:
		return roughly(e.Finished.Sub(e.Started))
	}
}

// roughly leaves out what nobody asks for in so long a time.
func roughly(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func humanTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return humanize.Time(t)
}

func orDash(s string) string { return cmp.Or(s, "-") }
