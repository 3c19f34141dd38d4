package main

import (
	"fmt"
	"io"
	"text/template"
	"time"
)

// welcome tells a user of the local cloud everything that they need.
func welcome(out io.Writer, s localState, took time.Duration) error {
	err := welcomeText.Execute(out, map[string]any{"S": s, "Took": took.Round(100 * time.Millisecond)})
	if err != nil {
		return fmt.Errorf("print what there is: %w", err)
	}
	return nil
}

// Two-space indented blocks can be copied as they are.
var welcomeText = template.Must(template.New("welcome").Parse(`The local cloud is ready after {{.Took}}. Ctrl-C ends it and leaves nothing behind.

Submit with studioctl, from another terminal:

  bin/studioctl submit FILE.py --queue rmq_test -f
  bin/studioctl ps
  bin/studioctl logs -f KEY
  bin/studioctl watch

Or with the StudioML client. Its ~/.studioml/config.yaml:

  database:
    type: s3
    endpoint: {{.S.S3Endpoint}}
    bucket: {{.S.Metadata}}
    authentication: none
  storage:
    type: s3
    endpoint: {{.S.S3Endpoint}}
    bucket: {{.S.Store}}
  server:
    authentication: none
  cloud:
    queue:
      rmq: {{.S.AMQPURL}}?connection_attempts=30&retry_delay=.5&socket_timeout=5
  saveWorkspaceFrequency: 1m
  experimentLifetime: 30m
  verbose: info

  AWS_ACCESS_KEY_ID={{.S.S3AccessKey}} AWS_SECRET_ACCESS_KEY={{.S.S3SecretKey}} studio run --queue=rmq_test --force-git train.py

Sealed requests go to queues that begin with {{.S.SealedQueue}}: encrypted with {{.S.RequestKey}}
and signed with {{.S.SigningKey}}.

  AMQP            {{.S.AMQPURL}}
  S3              {{.S.S3Endpoint}}
  Cloud Storage   STORAGE_EMULATOR_HOST={{.S.StorageEmulator}}
  Pub/Sub         PUBSUB_EMULATOR_HOST={{.S.PubSubEmulator}}  GOOGLE_CLOUD_PROJECT={{.S.Project}}
  Logs            {{.S.Logs}}
`))
