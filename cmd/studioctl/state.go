package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud"
)

// localState is what a running local cloud tells the other commands. It holds passwords that are good on loopback only.
type localState struct {
	target
	PID         int    `json:"pid"`
	Logs        string `json:"logs"`
	S3AccessKey string `json:"s3_access_key"`
	S3SecretKey string `json:"s3_secret_key"`

	ManagementURL string            `json:"management_url"`
	Functions     map[string]string `json:"functions"` // addresses
}

func stateOf(c *localcloud.Cloud) localState {
	return localState{
		PID: os.Getpid(), Logs: c.LogDir, S3AccessKey: c.S3AccessKey, S3SecretKey: c.S3SecretKey,
		ManagementURL: c.ManagementURL, Functions: c.Functions,
		target: target{
			EventsTopic: "studio-events", RequestKey: c.RequestPublicKey, SigningKey: c.SigningKey, ReportKey: c.ReportKey, SealedQueue: c.SealedQueue,
			RequestKeys: c.RequestPrivateKey, Passphrase: c.PassphraseFile, Pools: c.Pools, Tenants: c.Tenants, SigningKeys: c.SigningKeys, ReportKeys: c.ReportKeys,
			ClearText: true, S3Hosts: c.S3Hosts,
			Deployment: client.Deployment{
				AMQPURL: c.AMQPURL, Project: c.Project, Store: c.Store, Metadata: c.Metadata,
				S3Endpoint: c.S3URL, StorageEmulator: c.StorageURL, PubSubEmulator: c.PubSubHost,
			},
		},
	}
}

// readState finds the local cloud that is running.
func (a *app) readState() (state localState, err error) {
	path, err := a.statePath()
	if err != nil {
		return state, err
	}
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own
	if errors.Is(err, fs.ErrNotExist) {
		return state, errors.New("no local cloud is running and no project is named: start one with `studioctl local` in another terminal, or name a project with --context, or with --project, --store and --metadata")
	}
	if err != nil {
		return state, fmt.Errorf("read where the local cloud is: %w", err)
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return state, fmt.Errorf("read where the local cloud is, from %s (remove it and start `studioctl local` again): %w", path, err)
	}
	if !alive(state.PID) {
		return state, fmt.Errorf("the local cloud of process %d was killed and left nothing to work with: start one with `studioctl local`", state.PID)
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

func writeState(path string, state localState) error {
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the local cloud's state: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the local cloud's state: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write the local cloud's state: %w", err)
	}
	return nil
}

// alive tells whether a process of this user is there.
func alive(pid int) bool {
	return pid > 0 && syscall.Kill(pid, 0) == nil
}
