package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

func newGet(a *app) *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use: "get KEY [LABEL]", Short: "List an experiment's artifacts, or fetch one", Args: usageArgs(cobra.RangeArgs(1, 2)), GroupID: groupExperiments,
		SuggestFor: []string{"download", "fetch", "artifacts", "cp"},
		Long: `Get lists what is stored of an experiment, or unpacks one of the artifacts over
what the folder holds. What lies in the folder of a script is submitted with it:
fetch to elsewhere what you do not want there.

KEY may be the beginning of a key that no other key has.`,
		Example: `  studioctl get 1764000000_0f7c                    list them
  studioctl get 1764000000_0f7c modeldir           unpack it into KEY/modeldir
  studioctl get 1764000000_0f7c modeldir -o model  unpack it into model`,
		ValidArgsFunction: a.completeKeyAndLabel,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withExperiment(cmd.Context(), args[0], func(c *client.Client, key string) error {
				if len(args) == 1 {
					return a.listArtifacts(cmd.Context(), c, key)
				}
				if dir == "" {
					dir = filepath.Join(key, args[1])
				}
				return a.get(cmd.Context(), c, key, args[1], dir)
			})
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "folder to unpack into (default KEY/LABEL)")
	return cmd
}

func (a *app) get(ctx context.Context, c *client.Client, key, label, dir string) error {
	fetching := a.progress("fetching " + label)
	c.Progress = fetching.bytes
	err := c.Get(ctx, key, label, dir)
	fetching.end()
	if errors.Is(err, storage.ErrObjectNotExist) {
		return a.noArtifact(ctx, c, key, label)
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"key": key, "label": label, "folder": dir})
	}
	a.say("Unpacked %s of %s into\n  %s", label, key, dir)
	return nil
}

// noArtifact says which artifacts there are instead.
func (a *app) noArtifact(ctx context.Context, c *client.Client, key, label string) error {
	list, err := c.Artifacts(ctx, key)
	if err != nil {
		return err
	}
	var labels []string
	for _, found := range list {
		labels = append(labels, found.Label)
	}
	if len(labels) == 0 {
		return fmt.Errorf("nothing is stored of %s yet: see how it stands with `studioctl show %s`", key, key)
	}
	return fmt.Errorf("%s has no artifact %q stored: it has %s", key, label, strings.Join(labels, ", "))
}

func (a *app) listArtifacts(ctx context.Context, c *client.Client, key string) error {
	list, err := c.Artifacts(ctx, key)
	if err != nil {
		return err
	}
	if a.json {
		for _, o := range list {
			if err := a.printJSON(o); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		a.tell("Nothing is stored of %s yet. How it stands:\n  studioctl show %s", key, key)
		return nil
	}
	return a.artifactTable(list).print()
}

func (a *app) artifactTable(list []client.Artifact) *table {
	t := a.table("LABEL", "SIZE", "SAVED", "OBJECT")
	t.spare = []string{"OBJECT"}
	for _, o := range list {
		t.row(plain(o.Label), plain(humanize.Bytes(uint64(max(o.Size, 0)))), plain(humanTime(o.Updated)), plain(o.Object))
	}
	return t
}
