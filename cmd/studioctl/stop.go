package main

import (
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

func newStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stop KEY", Short: "Stop an experiment; what it wrote is kept", Args: usageArgs(cobra.ExactArgs(1)), GroupID: groupExperiments,
		SuggestFor: []string{"cancel", "kill", "delete"},
		Long: `Stop asks for the end of an experiment, by its record, as the StudioML client
does. A running program gets SIGTERM within seconds and SIGKILL ten seconds
later, and what it wrote is saved; one that has not started never will.

KEY may be the beginning of a key that no other key has.`,
		Example: `  studioctl stop 1764000000_0f7c
  studioctl ps --json | jq -r 'select(.status == "waiting").key' |
      xargs -n1 studioctl stop`,
		ValidArgsFunction: a.completeKeys,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withExperiment(cmd.Context(), args[0], func(c *client.Client, key string) error {
				asked, err := c.Stop(cmd.Context(), key)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"key": key, "asked": asked})
				}
				if asked {
					a.say("Asked %s to stop. It ends within seconds; see it with:\n  studioctl logs -f %s", key, key)
					return nil
				}
				e, err := c.Experiment(cmd.Context(), key)
				if err != nil {
					return err
				}
				a.say("There was nothing to stop: %s is %s.", key, statusOf(e))
				return nil
			})
		},
	}
}
