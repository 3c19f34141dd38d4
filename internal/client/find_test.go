package client

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// clientOf is a client of a deployment that holds records of these keys, and a lease beside each.
func clientOf(t *testing.T, keys ...string) *Client {
	t.Helper()
	var objects []fakestorage.Object
	for _, key := range keys {
		for _, name := range []string{"experiments/" + key, "experiments/" + key + "/_lease"} {
			objects = append(objects, fakestorage.Object{
				ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "m", Name: name}, Content: []byte(`{"status":"waiting"}`),
			})
		}
	}
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", InitialObjects: objects})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Stop)
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "m"})
	c, err := New(t.Context(), Deployment{Store: "s", Metadata: "m", StorageEmulator: fake.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestAKeyIsFoundByItsBeginningIfOnlyOneBeginsSo(t *testing.T) {
	t.Parallel()
	c := clientOf(t, "1764000000_aa1", "1764000000_aa2", "1764000000_b", "train", "train-more")
	for prefix, want := range map[string]string{
		"1764000000_aa1": "1764000000_aa1", "1764000000_b": "1764000000_b", "train": "train", "train-": "train-more",
	} {
		if got, err := c.Find(t.Context(), prefix); err != nil || got != want {
			t.Errorf("Find(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
	for _, none := range []string{"1765", "", "train/", "../m"} {
		if got, err := c.Find(t.Context(), none); !errors.Is(err, record.ErrNotExist) {
			t.Errorf("Find(%q) = %q, %v; want ErrNotExist", none, got, err)
		}
	}
}

func TestABeginningOfSeveralKeysNamesThem(t *testing.T) {
	t.Parallel()
	var keys []string
	for i := range 12 {
		keys = append(keys, fmt.Sprintf("k%02d", i))
	}
	c := clientOf(t, keys...)
	for prefix, want := range map[string]AmbiguousError{
		"k1": {Prefix: "k1", Keys: []string{"k10", "k11"}},
		"k":  {Prefix: "k", Keys: keys[:10], More: true},
	} {
		_, err := c.Find(t.Context(), prefix)
		var ambiguous *AmbiguousError
		if !errors.As(err, &ambiguous) || !slices.Equal(ambiguous.Keys, want.Keys) || ambiguous.More != want.More {
			t.Errorf("Find(%q) = %v; want %v", prefix, err, &want)
		}
	}
}
