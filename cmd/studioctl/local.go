package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud"
)

func newLocal(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "local", Short: "Keep a whole cloud running on this machine, on loopback", Args: usageArgs(cobra.NoArgs), GroupID: groupClouds,
		SuggestFor: []string{"start", "up", "serve"},
		Long: `Local starts RabbitMQ, Pub/Sub, Cloud Storage with its S3 protocol, the bridge,
the finalize function and an executor for each pool on free loopback ports, and
keeps them running until Ctrl-C. The other commands find it by themselves, from
another terminal. Nothing stays when it ends.`,
		Example: `  studioctl local
  studioctl local --json | jq -r .s3_endpoint`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.local(cmd.Context()) },
	}
}

func (a *app) local(ctx context.Context) (err error) {
	path, err := a.statePath()
	if err != nil {
		return err
	}
	if old, err := a.readState(); err == nil && alive(old.PID) {
		return fmt.Errorf("a local cloud is running already, with process %d; `studioctl submit` finds it", old.PID)
	}
	began := time.Now()
	fmt.Fprintln(a.errOut, "Starting RabbitMQ, Pub/Sub, Cloud Storage, the functions and the executors…")
	starting := a.progress("starting the local cloud")
	cloud, err := a.startCloud(ctx)
	starting.end()
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(a.errOut, "Stopping…")
		err = errors.Join(err, cloud.Close())
	}()
	state := stateOf(cloud)
	if err := writeState(path, state); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	if a.json {
		err = a.printJSON(state)
	} else {
		err = welcome(a.out, state, time.Since(began))
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startCloud starts a cloud that removes itself, from the programs beside this one.
func (a *app) startCloud(ctx context.Context) (*localcloud.Cloud, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the folder of studioctl, where the other programs lie: %w", err)
	}
	bin := filepath.Dir(self)
	uv, ok := a.env.Lookup("UV")
	if !ok || uv == "" {
		uv = filepath.Join(bin, "uv")
	}
	dir, err := os.MkdirTemp("", "studio-local-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the local cloud: %w", err)
	}
	cloud, err := localcloud.Start(ctx, localcloud.Options{
		Dir: dir, Temporary: true, Bin: bin, UV: uv, ExperimentUID: experimentUID(),
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return cloud, nil
}

// experimentUID is the first of the users that this cloud's experiments run as: 20 for each process, so that two clouds do
// not take each other's experiments for what is left of their own. Without root, experiments run as the user.
func experimentUID() uint32 {
	if os.Geteuid() != 0 {
		return 0
	}
	return 10_000 + uint32(os.Getpid()%900)*20 //nolint:gosec // a process id is positive
}
