package worker

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

const (
	otherBucket = "another-tenants"
	otherSecret = "what-only-the-other-tenant-may-see"
)

// The executor's own identity reaches every bucket; only its own refusal keeps tenants apart.
func TestABucketOfAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	const own, other = "storage.googleapis.com/" + storeBucket, "storage.googleapis.com/" + otherBucket
	input := func(members map[string]any) map[string]any {
		members["mutable"], members["unpack"] = false, true
		return map[string]any{"data": members}
	}
	written := func(label string, members map[string]any) map[string]any {
		members["mutable"], members["unpack"] = true, true
		return map[string]any{label: members}
	}
	credentials := map[string]any{"aws": map[string]any{"access_key": "GOOG1", "secret_access_key": "wrong"}}
	for name, tc := range map[string]struct {
		artifacts, config map[string]any
		reason            admission.Reason // of a request that is not admitted
		outcome           Outcome          // of one that is, and ends before its program
	}{
		"an input by its bucket":     {artifacts: input(map[string]any{"bucket": otherBucket, "key": "secret.tar"}), outcome: Refused},
		"an input by gs://":          {artifacts: input(map[string]any{"qualified": "gs://" + otherBucket + "/secret.tar"}), outcome: Refused},
		"an input by s3://":          {artifacts: input(map[string]any{"qualified": "s3://" + other + "/secret.tar"}), outcome: Refused},
		"an input by a port":         {artifacts: input(map[string]any{"qualified": "s3://storage.googleapis.com:443/" + otherBucket + "/secret.tar"}), outcome: Refused},
		"own bucket, qualified not":  {artifacts: input(map[string]any{"bucket": storeBucket, "key": "secret.tar", "qualified": "gs://" + otherBucket + "/secret.tar"}), outcome: Refused},
		"gs:// with credentials":     {artifacts: input(map[string]any{"qualified": "gs://" + otherBucket + "/secret.tar", "credentials": credentials}), outcome: Refused},
		"a key that climbs":          {artifacts: input(map[string]any{"bucket": storeBucket, "key": "data/../../" + otherBucket + "/secret.tar"}), outcome: Failed},
		"a key that climbs, by gs":   {artifacts: input(map[string]any{"qualified": "gs://" + storeBucket + "/../" + otherBucket + "/secret.tar"}), outcome: Failed},
		"a key that climbs, by s3":   {artifacts: input(map[string]any{"qualified": "s3://" + own + "/./../" + otherBucket + "/secret.tar"}), outcome: Failed},
		"a bucket with a path":       {artifacts: input(map[string]any{"bucket": storeBucket + "/../" + otherBucket, "key": "secret.tar"}), outcome: Failed},
		"an escaped bucket":          {artifacts: input(map[string]any{"qualified": "gs://" + storeBucket + "%2f..%2f" + otherBucket + "/secret.tar"}), outcome: Failed},
		"a folder to write by gs":    {artifacts: written("modeldir", map[string]any{"qualified": "gs://" + otherBucket + "/secret.tar"}), outcome: Refused},
		"a folder to write by s3":    {artifacts: written("modeldir", map[string]any{"qualified": "s3://" + other + "/secret.tar"}), outcome: Refused},
		"to write with credentials":  {artifacts: written("modeldir", map[string]any{"qualified": "s3://" + other + "/secret.tar", "credentials": credentials}), outcome: Refused},
		"the output":                 {artifacts: written("output", map[string]any{"bucket": otherBucket, "key": "experiments/k1/output.tar"}), outcome: Refused},
		"the results":                {artifacts: written("_results", map[string]any{"bucket": otherBucket, "key": "experiments/k1/_results.tar"}), outcome: Refused},
		"the storage":                {config: map[string]any{"storage": map[string]any{"type": "gcloud", "bucket": otherBucket}}, reason: admission.BucketRefused},
		"the database":               {config: map[string]any{"database": map[string]any{"type": "gcloud", "bucket": otherBucket}}, reason: admission.BucketRefused},
		"the database for the store": {config: map[string]any{"database": map[string]any{"type": "gcloud", "bucket": storeBucket}}, reason: admission.BucketRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.withOther()
			m := b.submit(submission{key: "k1", script: "print('ran')", artifacts: tc.artifacts, config: tc.config})
			m.RelayedAt = m.RelayedAt.Add(-policyLag)
			d, err := b.worker.Handle(t.Context(), m)
			var refusal *admission.Refusal
			if tc.reason != "" {
				if d != DeadLetter || !errors.As(err, &refusal) || refusal.Reason != tc.reason {
					t.Errorf("Handle = %s, %v; want a dead letter for %s", d, err, tc.reason)
				}
			} else if d != Acknowledge || err != nil {
				t.Errorf("Handle = %s, %v; want it acknowledged", d, err)
			} else if got := b.record("k1").Cloud(); got.Outcome != string(tc.outcome) && b.outcome("k1") != string(tc.outcome) {
				t.Errorf("the outcome is %q, %q; want %s", got.Outcome, b.outcome("k1"), tc.outcome)
			}
			b.expectOtherUntouched()
		})
	}
}

// withOther makes a bucket of another tenant, with an artifact in it, in the same Cloud Storage.
func (b *bundle) withOther() {
	b.t.Helper()
	if err := b.objects.Bucket(otherBucket).Create(b.t.Context(), "p", nil); err != nil {
		b.t.Fatal(err)
	}
	b.put(otherBucket, "secret.tar", tarOf(b.t, map[string]string{"secret.txt": otherSecret}), nil)
	b.worker.Stores = artifact.NewStores(b.objects, []string{"storage.googleapis.com"}, artifact.URLs{})
	b.t.Cleanup(b.worker.Stores.Close)
}

// outcome is what the stored output says of itself, if there is one.
func (b *bundle) outcome(key string) string {
	attrs, err := b.objects.Bucket(storeBucket).Object("experiments/" + key + "/output.tar").Attrs(b.t.Context())
	if err != nil {
		return ""
	}
	return attrs.Metadata[record.MetaOutcome]
}

// expectOtherUntouched expects nothing new in the other tenant's bucket, and nothing of it in this one's.
func (b *bundle) expectOtherUntouched() {
	b.t.Helper()
	if got := b.list(otherBucket); !slices.Equal(got, []string{"secret.tar"}) {
		b.t.Errorf("the other bucket has %v", got)
	}
	for _, bucket := range []string{storeBucket, metadataBucket} {
		for _, name := range b.list(bucket) {
			data, _ := b.get(bucket, name)
			if strings.Contains(string(data), otherSecret) || strings.HasSuffix(name, "output.tar") && strings.Contains(string(data), "\nran\n") {
				b.t.Errorf("%s/%s holds what it must not:\n%s", bucket, name, data)
			}
		}
	}
}

func (b *bundle) list(bucket string) (names []string) {
	b.t.Helper()
	for all := b.objects.Bucket(bucket).Objects(b.t.Context(), &storage.Query{}); ; {
		attrs, err := all.Next()
		if errors.Is(err, iterator.Done) {
			return names
		}
		if err != nil {
			b.t.Fatal(err)
		}
		names = append(names, attrs.Name)
	}
}
