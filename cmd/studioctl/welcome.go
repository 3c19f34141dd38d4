package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"
)

// welcome tells a user of the local cloud everything that they need.
func welcome(out io.Writer, s localState, took time.Duration) error {
	err := welcomeText.Execute(out, map[string]any{"S": s, "Self": commandName(os.Args[0]), "Took": took.Round(100 * time.Millisecond)})
	if err != nil {
		return fmt.Errorf("print what there is: %w", err)
	}
	return nil
}

// commandName is what a person types to call this program as they did.
func commandName(called string) string {
	base := filepath.Base(called)
	found, err := exec.LookPath(base)
	self, selfErr := os.Executable()
	if err == nil && selfErr == nil && found == self {
		return base
	}
	return called
}

// Two-space indented blocks can be copied as they are.
var welcomeText = template.Must(template.New("welcome").Parse(`The local cloud is ready after {{.Took}}. Ctrl-C ends it and leaves nothing behind.

With the StudioML client, its ~/.studioml/config.yaml:

  database:
    type: s3
    endpoint: {{.S.S3Endpoint}}
    bucket: {{.S.Metadata}}
    credentials:
      aws:
        access_key: {{.S.S3AccessKey}}
        secret_access_key: {{.S.S3SecretKey}}
  storage:
    type: s3
    endpoint: {{.S.S3Endpoint}}
    bucket: {{.S.Store}}
    credentials:
      aws:
        access_key: {{.S.S3AccessKey}}
        secret_access_key: {{.S.S3SecretKey}}
  cloud:
    queue:
      rmq: {{.S.AMQPURL}}?connection_attempts=30&retry_delay=.5&socket_timeout=5
  resources_needed:
    cpus: 1
    gpus: 0
    ram: 1g
    hdd: 1g
  saveWorkspaceFrequency: 1m
  experimentLifetime: 30m
  verbose: info

and, in the folder of train.py:

  studio run --queue=rmq_test --force-git train.py

Queues that begin with {{.S.SealedQueue}} take encrypted and signed requests only.
The client makes them with two more lines:

  public_key_path: {{.S.RequestKey}}
  signing_key_path: {{.S.SigningKey}}

  AMQP            {{.S.AMQPURL}}
  S3              {{.S.S3Endpoint}}
  Cloud Storage   STORAGE_EMULATOR_HOST={{.S.StorageEmulator}}
  Pub/Sub         PUBSUB_EMULATOR_HOST={{.S.PubSubEmulator}}
                  GOOGLE_CLOUD_PROJECT={{.S.Project}}

With studioctl, from another terminal:

  {{.Self}} submit FILE.py -f
  {{.Self}} ps
  {{.Self}} watch

  Logs            {{.S.Logs}}
`))
