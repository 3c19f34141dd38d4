package client

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

var here = Deployment{Store: "team-store", Metadata: "team-metadata", S3Endpoint: "http://127.0.0.1:9000"}

func bodyOf(t *testing.T, s Submission) []byte {
	t.Helper()
	experiment, err := s.experiment(here, "k1", "blobstore/x.tar", time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.body(experiment, s.config(here))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestSubmissionIsReadAsItWasMeant(t *testing.T) {
	t.Parallel()
	args := []string{"two words", "", "$HOME", "it's", "ünïcode", "plain", `"quoted"`, "a\nb"}
	r, err := request.Parse(bodyOf(t, Submission{
		Script: "train.py", Args: args, PythonVersion: "3.11", Requirements: []string{"numpy"}, MaxDuration: 20 * time.Minute,
		Lifetime: time.Hour, SaveEvery: time.Minute, Env: map[string]string{"A": "b"}, Resources: map[string]any{"gpus": 2, "gpuMem": "4gb", "ram": "1gb"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	e, c := r.Experiment, r.Config
	if !slices.Equal(e.Args, args) {
		t.Errorf("args = %q, want %q", e.Args, args)
	}
	if e.MaxDuration != 20*time.Minute || c.ExperimentLifetime != time.Hour || c.SaveWorkspaceFrequency != time.Minute {
		t.Errorf("durations = %v, %v, %v", e.MaxDuration, c.ExperimentLifetime, c.SaveWorkspaceFrequency)
	}
	if e.Resources.GPUs != 2 || e.Resources.GPUMem != 4_000_000_000 || c.Storage.Bucket != "team-store" || c.Database.Bucket != "team-metadata" {
		t.Errorf("resources %+v, buckets %q and %q", e.Resources, c.Storage.Bucket, c.Database.Bucket)
	}
	o, err := e.Artifacts["workspace"].Object(c.Storage)
	if err != nil || o.Host != "127.0.0.1:9000" || o.Key != "blobstore/x.tar" {
		t.Errorf("workspace = %+v, %v", o, err)
	}
	if !e.TimeAdded.Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("time_added = %v", e.TimeAdded)
	}
}

func TestSealedSubmissionOpensWithTheClustersKeyAndVerifiesWithTheSenders(t *testing.T) {
	t.Parallel()
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	m, err := envelope.Parse(bodyOf(t, Submission{Script: "train.py", Seal: &Seal{To: key.Public(), Sign: sign}, MaxDuration: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(sign.Public()); err != nil {
		t.Error(err)
	}
	inner, err := m.Open(key)
	if err != nil || !json.Valid(inner) {
		t.Fatalf("Open = %q, %v", inner, err)
	}
	if r, err := request.Parse(inner); err != nil || r.Experiment.Key != "k1" {
		t.Errorf("inner request = %v, %v", r, err)
	}
	if m.Header.Lifetime != "1m0s" {
		t.Errorf("header's lifetime = %q, want max_duration as Python clients send it", m.Header.Lifetime)
	}
}

func TestUnreachableBrokersPasswordIsNotInTheError(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"amqp://user:hunter2@127.0.0.1:1/%2f?connection_attempts=3", "amqp://user:hunter2@[::1:bad/"} {
		err := publishOnce(t.Context(), address, "rmq_test", nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("publishOnce = %v; want an error without the password", err)
		}
	}
}
