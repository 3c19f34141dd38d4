//go:build integration

package path_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

const (
	othersObject = "data/secret.txt"
	othersSecret = "what only the other tenant may see"
)

// Two tenants share a cluster. The one gets its own data, by a signature that is registered in a mounted secret; the other gets none of it,
// whatever a request names, since the executor's identity reaches both tenants' buckets and it refuses.
func TestATenantReachesNoBucketOfAnother(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	s.store(t, s.cloud.OtherStore, othersObject, othersSecret)
	host := strings.TrimPrefix(s.cloud.S3URL, "http://")
	events := s.events(t)

	var refused []string
	s.expectOwn(t)
	for name, tc := range map[string]struct {
		artifact map[string]any
		config   map[string]string // members of config whose bucket is the other's
		outcome  string            // of an experiment that is not refused by the bridge
	}{
		"by gs":                   {artifact: map[string]any{"qualified": "gs://" + s.cloud.OtherStore + "/" + othersObject}, outcome: "refused"},
		"by s3":                   {artifact: map[string]any{"qualified": "s3://" + host + "/" + s.cloud.OtherStore + "/" + othersObject}, outcome: "refused"},
		"by bucket and key":       {artifact: map[string]any{"bucket": s.cloud.OtherStore, "key": othersObject}, outcome: "refused"},
		"by a key that climbs":    {artifact: map[string]any{"bucket": s.cloud.Store, "key": "data/../../" + s.cloud.OtherStore + "/" + othersObject}, outcome: "failed"},
		"to write":                {artifact: map[string]any{"qualified": "gs://" + s.cloud.OtherStore + "/" + othersObject, "mutable": true}, outcome: "refused"},
		"with a wrong credential": {artifact: map[string]any{"qualified": "s3://" + host + "/" + s.cloud.OtherStore + "/" + othersObject, "credentials": map[string]any{"aws": map[string]any{"access_key": "GOOG1NOBODY", "secret_access_key": "wrong"}}}, outcome: "failed"},
		"as storage":              {config: map[string]string{"storage": s.cloud.OtherStore}},
		"as database":             {config: map[string]string{"database": s.cloud.OtherMetadata}},
	} {
		key := s.submitChanged(t, name, tc.artifact, tc.config)
		refused = append(refused, key)
		if tc.config != nil {
			for e := next(t, events, event.Refused); e.Experiment != key; {
				e = next(t, events, event.Refused)
			}
			continue
		}
		if e := s.ended(t, key); e.Outcome != tc.outcome {
			t.Errorf("%s: the outcome is %s (%s); want %s", name, e.Outcome, e.Reason, tc.outcome)
		}
		if output, _ := s.output(t.Context(), t, key); strings.Contains(output, othersSecret) || strings.Contains(output, "reached the end") {
			t.Errorf("%s: output is %q; want that nothing ran", name, output)
		}
	}
	names := s.names(t, s.cloud.OtherStore)
	for _, key := range refused {
		if strings.Contains(names, key) {
			t.Errorf("the other's store has something of %s: %s", key, names)
		}
	}
	if got := s.read(t, s.cloud.OtherStore, othersObject); got != othersSecret {
		t.Errorf("the other's object is %q now", got)
	}
}

// expectOwn runs an experiment of the other tenant, sealed and signed with its key, that reads the tenant's own data.
func (s *studio) expectOwn(t *testing.T) {
	t.Helper()
	c, err := client.New(t.Context(), client.Deployment{
		AMQPURL: s.cloud.AMQPURL, Project: s.cloud.Project, Store: s.cloud.OtherStore, Metadata: s.cloud.OtherMetadata,
		S3Endpoint: s.cloud.S3URL, StorageEmulator: s.cloud.StorageURL, PubSubEmulator: s.cloud.PubSubHost,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // whatever matters is stored
	private, err := os.ReadFile(s.cloud.OtherSigningKey)
	if err != nil {
		t.Fatal(err)
	}
	sub := s.seal(t, submission(t, "own", `print("reached the end")`))
	if sub.Seal.Sign, err = envelope.ParseSigningKey(private, nil); err != nil {
		t.Fatal(err)
	}
	sub.Queue = s.cloud.OtherQueue + "_1"
	submitted, err := c.Submit(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		e, err := c.Experiment(ctx, submitted.Key)
		if err != nil {
			return false, err.Error()
		}
		if e.Ended() && e.Outcome != "completed" {
			t.Fatalf("the other tenant's own experiment is %s: %s", e.Outcome, e.Reason)
		}
		return e.Ended(), submitted.Key + " is " + e.Status
	})
}

// submitChanged submits an experiment of this tenant with one artifact more, or with other buckets.
func (s *studio) submitChanged(t *testing.T, note string, artifact map[string]any, buckets map[string]string) (key string) {
	t.Helper()
	submitted, body := s.hold(t, submission(t, note, `print(open("../data/secret.txt").read()); print("reached the end")`))
	var request map[string]map[string]any
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatal(err)
	}
	if artifact != nil {
		label := "data"
		if artifact["mutable"] == true {
			label = "modeldir"
		}
		artifact["unpack"] = false
		artifacts, _ := request["experiment"]["artifacts"].(map[string]any)
		artifacts[label] = artifact
	}
	for member, bucket := range buckets {
		place, _ := request["config"][member].(map[string]any)
		place["bucket"] = bucket
	}
	changed, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, queue, changed)
	return submitted.Key
}

func (s *studio) store(t *testing.T, bucket, name, content string) {
	t.Helper()
	w := s.objects.Bucket(bucket).Object(name).NewWriter(t.Context())
	_, err := w.Write([]byte(content))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

func (s *studio) read(t *testing.T, bucket, name string) string {
	t.Helper()
	r, err := s.objects.Bucket(bucket).Object(name).NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *studio) names(t *testing.T, bucket string) string {
	t.Helper()
	var names []string
	for all := s.objects.Bucket(bucket).Objects(t.Context(), &storage.Query{}); ; {
		attrs, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, attrs.Name)
	}
}
