package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

func newLogs(a *app) *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use: "logs KEY", Short: "Print an experiment's output, as far as it is saved", Args: usageArgs(a.withoutJSON(cobra.ExactArgs(1), "`studioctl show --json` has what is known of it")), GroupID: groupExperiments,
		SuggestFor: []string{"log", "output", "tail"},
		Long: `Logs prints what is saved of the output. While an experiment runs, that is what
it had printed at its last checkpoint (--save-every of submit).

KEY may be the beginning of a key that no other key has.`,
		Example: `  studioctl logs 1764000000_0f7c
  studioctl logs -f 1764000000_0f7c`,
		ValidArgsFunction: a.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withExperiment(cmd.Context(), args[0], func(c *client.Client, key string) error {
				if follow {
					return a.follow(cmd.Context(), c, key)
				}
				return a.printOutput(cmd.Context(), c, key)
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
		a.tell("%s", e.Reason)
		return nil
	}
	a.tell("Nothing is saved yet; the experiment is %s. Follow it with:\n  studioctl logs -f %s", e.Status, key)
	return nil
}

// follow prints the output until the end, and turns an end that is not a completion into exit code 3.
func (a *app) follow(ctx context.Context, c *client.Client, key string) error {
	waiting := a.progress("waiting for " + key)
	defer waiting.end()
	var last client.Experiment
	err := c.Follow(ctx, key, waiting.ending(a.out), func(e client.Experiment) {
		last = e
		waiting.say(whatIsAwaited(e))
	})
	waiting.end()
	if err != nil {
		return err
	}
	var refused *refusedError
	if errors.As(context.Cause(ctx), &refused) {
		a.tell("%s: %s", key, a.screenOf(a.errOut).paint(red, refused.Error()))
		return &exitError{code: exitIncomplete}
	}
	if !last.Ended() { // interrupted
		a.tell("The experiment goes on. Follow it again with:\n  studioctl logs -f %s", key)
		return ctx.Err()
	}
	if last.Outcome != "completed" {
		a.tell("%s: %s. %s", key, a.screenOf(a.errOut).paint(styleOf(last.Outcome), statusOf(last)), last.Reason)
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// whatIsAwaited says for what an experiment keeps its reader waiting.
func whatIsAwaited(e client.Experiment) string {
	switch {
	case e.Status == "waiting":
		return "waiting for an executor"
	case e.Status == "stopped":
		return "stopping"
	case e.Saved.IsZero():
		return "running on " + orDash(e.Pool) + "; nothing is saved yet"
	default:
		return "running on " + orDash(e.Pool) + "; saved " + e.Saved.Local().Format(time.TimeOnly)
	}
}
