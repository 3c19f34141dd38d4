package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

// targetFlags say which deployment a command is for.
type targetFlags struct {
	project, store, metadata string
}

func (t *targetFlags) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&t.project, "project", "", "Google Cloud project (GOOGLE_CLOUD_PROJECT); the local cloud if none is named")
	f.StringVar(&t.store, "store", "", "bucket of the artifacts (STUDIO_STORE)")
	f.StringVar(&t.metadata, "metadata", "", "bucket of the records (STUDIO_METADATA)")
}

// localState is what a running local cloud tells the other commands. It holds passwords that are good on loopback only.
type localState struct {
	client.Deployment
	PID         int    `json:"pid"`
	EventsTopic string `json:"events_topic"`
	RequestKey  string `json:"request_key"` // file of the public key that requests are sealed with
	SigningKey  string `json:"signing_key"` // file of the key that sealed requests are signed with
	SealedQueue string `json:"sealed_queue"`
	Logs        string `json:"logs"`
	S3AccessKey string `json:"s3_access_key"`
	S3SecretKey string `json:"s3_secret_key"`
}

// deployment finds the deployment: a project if one is named, else the local cloud.
func (a *app) deployment() (localState, error) {
	get := func(flag, name string) string {
		value, _ := a.env.Lookup(name)
		return cmp.Or(flag, value)
	}
	project := get(a.target.project, "GOOGLE_CLOUD_PROJECT")
	store, metadata := get(a.target.store, "STUDIO_STORE"), get(a.target.metadata, "STUDIO_METADATA")
	if store != "" || metadata != "" || a.target.project != "" {
		state := localState{EventsTopic: get("", "EVENTS_TOPIC"), Deployment: client.Deployment{
			Project: project, Store: store, Metadata: metadata, AMQPURL: get("", "AMQP_URL"), S3Endpoint: "https://storage.googleapis.com",
		}}
		state.EventsTopic = cmp.Or(state.EventsTopic, "studio-events")
		if err := state.Check(); err != nil {
			return state, fmt.Errorf("%w: give --project, --store and --metadata, or none of them for the local cloud", err)
		}
		return state, nil
	}
	return a.readState()
}

func (a *app) readState() (state localState, err error) {
	path, err := a.statePath()
	if err != nil {
		return state, err
	}
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own
	if errors.Is(err, fs.ErrNotExist) {
		return state, errors.New("no local cloud is running and no project is named: start one with `studioctl local`, or give --project, --store and --metadata")
	}
	if err != nil {
		return state, fmt.Errorf("read where the local cloud is: %w", err)
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return state, fmt.Errorf("read where the local cloud is, from %s: %w", path, err)
	}
	return state, nil
}

// statePath is where a local cloud leaves its state, one to a user.
func (a *app) statePath() (string, error) {
	if dir, ok := a.env.Lookup("XDG_STATE_HOME"); ok && dir != "" {
		return filepath.Join(dir, "studioctl", "local.json"), nil
	}
	home, ok := a.env.Lookup("HOME")
	if !ok || home == "" {
		return "", errors.New("HOME is not set: say with XDG_STATE_HOME where the local cloud's state is kept")
	}
	return filepath.Join(home, ".local", "state", "studioctl", "local.json"), nil
}

// connect opens a client for the deployment.
func (a *app) connect(ctx context.Context) (*client.Client, localState, error) {
	state, err := a.deployment()
	if err != nil {
		return nil, state, err
	}
	c, err := client.New(ctx, state.Deployment)
	return c, state, err
}
