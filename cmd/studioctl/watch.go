package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

func newWatch(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Print what happens to experiments, as it happens", Args: usageArgs(cobra.NoArgs), GroupID: groupExperiments,
		SuggestFor: []string{"events", "top"},
		Long: `Watch prints the events of all experiments of the deployment from now on, until
Ctrl-C: each hop on the way from the queue to the finished record, and what is
refused and why. With --json each is a CloudEvent.`,
		Example: `  studioctl watch
  studioctl watch --json | jq 'select(.type | contains("refused"))'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := a.deployment()
			if err != nil {
				return err
			}
			on := a.screenOf(a.out)
			ready := func() { fmt.Fprintln(a.errOut, "Watching; Ctrl-C ends it.") }
			return to.Watch(cmd.Context(), to.EventsTopic, ready, func(e event.Event) {
				if a.json {
					_ = a.printJSON(jsonEvent(e)) // a closed pipe ends the command by itself
					return
				}
				fmt.Fprintln(a.out, eventLine(e, on))
			})
		},
	}
}
