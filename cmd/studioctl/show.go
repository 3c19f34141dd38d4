package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

func newPs(a *app) *cobra.Command {
	limit := 50
	cmd := &cobra.Command{
		Use: "ps", Short: "List experiments, newest first", Args: usageArgs(cobra.NoArgs),
		Example: "  studioctl ps\n  studioctl ps --json | jq .outcome",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withClient(cmd.Context(), func(c *client.Client, _ target) error {
				list, err := c.Experiments(cmd.Context(), limit)
				if err != nil {
					return err
				}
				return a.printExperiments(list)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return cmd
}

func (a *app) printExperiments(list []client.Experiment) error {
	if a.json {
		for _, e := range list {
			if err := a.printJSON(e); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(a.out, "No experiments. Submit one with: studioctl submit FILE.py")
		return nil
	}
	t := a.table("KEY", "STATUS", "POOL", "ATTEMPTS", "ADDED", "TOOK")
	t.spare = []string{"ATTEMPTS", "TOOK", "POOL", "ADDED"}
	for _, e := range list {
		t.row(plain(e.Key), cell{statusOf(e), styleOf(statusOf(e))}, plain(orDash(e.Pool)), plain(strconv.Itoa(e.Attempts)), plain(humanTime(e.Added)), plain(took(e)))
	}
	return t.print()
}

// statusOf is the outcome, or how things stand before there is one.
func statusOf(e client.Experiment) string { return cmp.Or(e.Outcome, e.Status) }

func took(e client.Experiment) string {
	switch {
	case e.Started.IsZero():
		return "-"
	case e.Finished.IsZero():
		return time.Since(e.Started).Round(time.Second).String()
	default:
		return e.Finished.Sub(e.Started).Round(100 * time.Millisecond).String()
	}
}

func humanTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return humanize.Time(t)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newLogs(a *app) *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use: "logs KEY", Short: "Print an experiment's output, as far as it is saved", Args: usageArgs(cobra.ExactArgs(1)),
		Long:    "Logs prints what is saved of the output. While an experiment runs, that is what it had printed at its last checkpoint (--save-every).",
		Example: "  studioctl logs -f 1764000000_0f7c…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(cmd.Context(), func(c *client.Client, _ target) error {
				if follow {
					return a.follow(cmd.Context(), c, args[0])
				}
				return a.printOutput(cmd.Context(), c, args[0])
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the experiment has ended; exit 3 if it did not complete")
	return cmd
}

func (a *app) printOutput(ctx context.Context, c *client.Client, key string) error {
	_, err := c.Output(key).CopyNew(ctx, a.out)
	if !errors.Is(err, client.ErrNoOutput) {
		return err
	}
	e, recordErr := c.Experiment(ctx, key)
	if recordErr != nil {
		return recordErr
	}
	if e.Reason != "" {
		fmt.Fprintln(a.errOut, e.Reason)
		return nil
	}
	fmt.Fprintf(a.errOut, "Nothing is saved yet; the experiment is %s.\n", e.Status)
	return nil
}

// follow prints the output until the end, and turns an end that is not a completion into exit code 3.
func (a *app) follow(ctx context.Context, c *client.Client, key string) error {
	if err := c.Follow(ctx, key, a.out); err != nil {
		return err
	}
	e, err := c.Experiment(ctx, key)
	if err != nil {
		return err
	}
	if e.Outcome != "completed" {
		fmt.Fprintf(a.errOut, "%s: %s. %s\n", key, e.Outcome, e.Reason)
		return &exitError{code: exitIncomplete}
	}
	return nil
}

func newStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stop KEY", Short: "Stop an experiment; what it wrote is kept", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(cmd.Context(), func(c *client.Client, _ target) error {
				asked, err := c.Stop(cmd.Context(), args[0])
				if errors.Is(err, record.ErrNotExist) {
					return fmt.Errorf("there is no experiment %s; `studioctl ps` lists those that there are", args[0])
				}
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"key": args[0], "asked": asked})
				}
				if asked {
					fmt.Fprintf(a.out, "Asked %s to stop. It ends within seconds of its next heartbeat.\n", args[0])
				} else {
					fmt.Fprintf(a.out, "%s has ended, or was asked to stop already.\n", args[0])
				}
				return nil
			})
		},
	}
}

func newGet(a *app) *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use: "get KEY [LABEL]", Short: "List an experiment's artifacts, or fetch one", Args: usageArgs(cobra.RangeArgs(1, 2)),
		Example: "  studioctl get KEY              list them\n  studioctl get KEY modeldir     unpack it into KEY/modeldir",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withClient(cmd.Context(), func(c *client.Client, _ target) error {
				if len(args) == 1 {
					return a.listArtifacts(cmd.Context(), c, args[0])
				}
				if dir == "" {
					dir = filepath.Join(args[0], args[1])
				}
				return a.get(cmd.Context(), c, args[0], args[1], dir)
			})
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "folder to unpack into (default KEY/LABEL)")
	return cmd
}

func (a *app) get(ctx context.Context, c *client.Client, key, label, dir string) error {
	if err := c.Get(ctx, key, label, dir); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"key": key, "label": label, "folder": dir})
	}
	fmt.Fprintf(a.out, "Unpacked %s of %s into %s\n", label, key, dir)
	return nil
}

func (a *app) listArtifacts(ctx context.Context, c *client.Client, key string) error {
	list, err := c.Artifacts(ctx, key)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("nothing is stored for %s; `studioctl ps` lists experiments", key)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, o := range list {
		if a.json {
			if err := a.printJSON(o); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.Label, humanize.Bytes(uint64(max(o.Size, 0))), humanTime(o.Updated), o.Object)
	}
	return w.Flush()
}

func newWatch(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Print what happens to experiments, as it happens", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := a.deployment()
			if err != nil {
				return err
			}
			ready := func() { fmt.Fprintln(a.errOut, "Watching; Ctrl-C ends it.") }
			return state.Watch(cmd.Context(), state.EventsTopic, ready, func(e event.Event) {
				if a.json {
					_ = a.printJSON(jsonEvent(e)) // a closed pipe ends the command by itself
					return
				}
				fmt.Fprintln(a.out, eventLine(e))
			})
		},
	}
}

// withClient opens a client for a command and closes it afterwards.
func (a *app) withClient(ctx context.Context, do func(*client.Client, target) error) error {
	c, state, err := a.connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(c, state), c.Close())
}
