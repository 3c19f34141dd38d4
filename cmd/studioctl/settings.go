package main

import (
	"path/filepath"
	"strings"
)

// setting is one thing that a context may say about a deployment.
type setting struct {
	name  string // in the file of contexts; with dashes, the flag of `context set`
	env   string // the variable that overrides it, "" for none
	usage string
	file  bool // its value is a path
}

// knownSettings are in the order in which they are shown.
func knownSettings() []setting {
	return []setting{
		{name: "project", env: "GOOGLE_CLOUD_PROJECT", usage: "Google Cloud project"},
		{name: "store", env: "STUDIO_STORE", usage: "bucket of the artifacts"},
		{name: "metadata", env: "STUDIO_METADATA", usage: "bucket of the records"},
		{name: "queue", env: "STUDIO_QUEUE", usage: "queue that submissions go to where none is named"},
		{name: "amqp_url", env: "AMQP_URL", usage: "URL of RabbitMQ, password included; - reads it from standard input"},
		{name: "amqp_url_env", usage: "variable that holds the URL of RabbitMQ, instead of the URL"},
		{name: "amqp_url_file", usage: "file that holds the URL of RabbitMQ, instead of the URL", file: true},
		{name: "request_key", usage: "file of the cluster's public key, to seal requests with", file: true},
		{name: "signing_key", usage: "file of your private Ed25519 key, to sign requests with", file: true},
		{name: "report_key", usage: "file of your private key, to open reports with", file: true},
		{name: "s3_endpoint", usage: "endpoint of the S3 protocol (default https://storage.googleapis.com)"},
		{name: "events_topic", env: "EVENTS_TOPIC", usage: "Pub/Sub topic of the events (default studio-events)"},
		{name: "pools", env: "POOLS", usage: "file that lists the cluster's pools, for explain", file: true},
		{name: "tenants", env: "TENANTS", usage: "file that lists the cluster's tenants, for explain", file: true},
		{name: "clear_text", env: "CLEAR_TEXT_MESSAGES", usage: "true if the cluster takes requests in clear, for explain"},
	}
}

func (s setting) flag() string { return strings.ReplaceAll(s.name, "_", "-") }

// absolute makes the path of a file independent of the folder that studioctl runs in. Pools may also be JSON.
func (s setting) absolute(value, base, home string) string {
	switch {
	case !s.file || value == "" || filepath.IsAbs(value) || strings.HasPrefix(strings.TrimSpace(value), "["):
		return value
	case strings.HasPrefix(value, "~/"):
		return filepath.Join(home, value[2:])
	}
	return filepath.Join(base, value)
}
