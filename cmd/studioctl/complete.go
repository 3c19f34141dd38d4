package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

const (
	// completionWait is how long a shell may wait for what is offered: longer, and pressing Tab feels broken.
	completionWait = 2 * time.Second
	// offered bounds what is listed; a shell asks anew for a longer beginning.
	offered = 200
)

// completeContexts offers the names of contexts.
func (a *app) completeContexts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.readConfig()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.names(), cobra.ShellCompDirectiveNoFileComp
}

// completeKeys offers the keys of experiments, or nothing if the deployment does not answer soon.
func (a *app) completeKeys(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	if len(args) == 0 {
		a.soon(cmd, func(ctx context.Context, c *client.Client) { keys, _ = c.Keys(ctx, begin, offered) })
	}
	return keys, cobra.ShellCompDirectiveNoFileComp
}

// completeKeyAndLabel offers the labels of what is stored once a key is there.
func (a *app) completeKeyAndLabel(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeKeys(cmd, args, begin)
	}
	var labels []string
	a.soon(cmd, func(ctx context.Context, c *client.Client) {
		key, err := c.Find(ctx, args[0])
		if err != nil {
			return
		}
		artifacts, _ := c.Artifacts(ctx, key) // without an answer there is nothing to offer
		for _, found := range artifacts {
			labels = append(labels, found.Label)
		}
	})
	return labels, cobra.ShellCompDirectiveNoFileComp
}

// soon asks the deployment, as long as a shell may wait. What goes wrong is for the command itself to tell.
func (a *app) soon(cmd *cobra.Command, ask func(context.Context, *client.Client)) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
	defer cancel()
	_ = a.withClient(ctx, func(c *client.Client, _ target) error {
		ask(ctx, c)
		return nil
	})
}
