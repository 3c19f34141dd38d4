package client

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Submission is what a person asks for.
type Submission struct {
	Queue         string
	Key           string // "" for one of the client's form, <unix>_<uuid4>
	Folder        string // becomes the workspace
	Script        string // relative to Folder
	Args          []string
	PythonVersion string
	Requirements  []string
	Resources     map[string]any
	MaxDuration   time.Duration
	Lifetime      time.Duration
	SaveEvery     time.Duration
	Env           map[string]string
	Project       string
	Seal          *Seal // nil submits in clear
}

// Seal encrypts a request for a cluster and signs it.
type Seal struct {
	To   *envelope.PublicKey
	Sign envelope.SigningKey
}

// mutable are the labels that `studio run` declares beside workspace.
var mutable = []string{"modeldir", "retval", "output", "tb", "_metrics", "_metadata"}

// newKey is a key of the client's form.
func newKey(now time.Time) string { return fmt.Sprintf("%d_%s", now.Unix(), uuid.NewString()) }

// experiment makes the record that a client writes, and that its request carries.
func (s Submission) experiment(d Deployment, key, workspaceKey string, now time.Time) (map[string]any, error) {
	local, err := filepath.Abs(s.Folder)
	if err != nil {
		return nil, fmt.Errorf("find the folder %s: %w", s.Folder, err)
	}
	artifacts := map[string]any{"workspace": map[string]any{
		"bucket": d.Store, "key": workspaceKey, "hash": strings.TrimSuffix(filepath.Base(workspaceKey), ".tar"), "local": local,
		"mutable": false, "unpack": true, "qualified": d.qualified(d.Store, workspaceKey),
	}}
	for _, label := range mutable {
		object := "experiments/" + key + "/" + label + ".tar"
		artifacts[label] = map[string]any{
			"bucket": d.Store, "key": object, "hash": nil, "local": nil, "mutable": true, "unpack": true,
			"qualified": d.qualified(d.Store, object),
		}
	}
	args := make([]string, 0, len(s.Args))
	for _, arg := range s.Args {
		args = append(args, shellQuote(arg))
	}
	return map[string]any{
		"key": key, "filename": s.Script, "args": args, "pythonver": s.PythonVersion, "pythonenv": nonNil(s.Requirements),
		"artifacts": artifacts, "resources_needed": s.Resources, "max_duration": duration(s.MaxDuration),
		"project": s.Project, "owner": "guest", "info": map[string]any{}, "git": nil, "metric": nil, "status": "waiting",
		"time_added": float64(now.UnixMicro()) / 1e6, "time_started": nil, "time_finished": nil, "time_last_checkpoint": nil,
	}, nil
}

// config is the part of the client's configuration that travels with a request. No credential is in it.
func (s Submission) config(d Deployment) map[string]any {
	location := func(bucket string) map[string]any {
		return map[string]any{"type": "s3", "endpoint": d.S3Endpoint, "bucket": bucket, "authentication": "none"}
	}
	return map[string]any{
		"database": location(d.Metadata), "storage": location(d.Store), "verbose": "info",
		"saveWorkspaceFrequency": duration(s.SaveEvery), "experimentLifetime": duration(s.Lifetime), "env": s.Env,
	}
}

// body is the message as it goes to RabbitMQ.
func (s Submission) body(experiment, config map[string]any) ([]byte, error) {
	inner, err := json.Marshal(map[string]any{"experiment": experiment, "config": config})
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if s.Seal == nil {
		return inner, nil
	}
	resources, err := json.Marshal(experiment["resources_needed"])
	if err != nil {
		return nil, fmt.Errorf("encode the resources: %w", err)
	}
	version, err := json.Marshal(experiment["pythonver"])
	if err != nil {
		return nil, fmt.Errorf("encode the Python version: %w", err)
	}
	lifetime, _ := experiment["max_duration"].(string) // as the Python client fills the header
	added, _ := experiment["time_added"].(float64)     // set above
	body, err := envelope.New(envelope.Header{
		Status: "waiting", PythonVer: version, TimeAdded: added, Lifetime: lifetime, Resources: resources,
	}, inner, s.Seal.To, s.Seal.Sign)
	if err != nil {
		return nil, fmt.Errorf("seal the request: %w", err)
	}
	return body, nil
}

// duration is a duration as clients write it, null where it is not set.
func duration(d time.Duration) any {
	if d <= 0 {
		return nil
	}
	return d.String()
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// shellQuote is Python's shlex.quote, which clients apply to every argument.
func shellQuote(s string) string {
	safe := s != ""
	for _, r := range s {
		safe = safe && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r))
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
