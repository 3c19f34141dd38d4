package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// candidates is how many keys an AmbiguousError names.
const candidates = 10

// AmbiguousError says that a prefix is that of several experiments.
type AmbiguousError struct {
	Prefix string
	Keys   []string // the first of them
	More   bool     // there are others
}

func (e *AmbiguousError) Error() string {
	more := ""
	if e.More {
		more = "\n  …"
	}
	return fmt.Sprintf("%q is the beginning of several keys; give more of the one that is meant:\n  %s%s", e.Prefix, strings.Join(e.Keys, "\n  "), more)
}

// Find returns the key of an experiment by its beginning: the key of exactly that name, else the only one that begins so.
// The error is an [*AmbiguousError] or record.ErrNotExist.
func (c *Client) Find(ctx context.Context, prefix string) (key string, err error) {
	if prefix == "" || strings.Contains(prefix, "/") {
		return "", fmt.Errorf("%w: %q is no experiment's key; `studioctl ps` lists those that there are", record.ErrNotExist, prefix)
	}
	keys, err := c.Keys(ctx, prefix, candidates+1)
	switch {
	case err != nil:
		return "", err
	case len(keys) == 0:
		return "", fmt.Errorf("%w: no key begins with %q in gs://%s/experiments/; `studioctl ps` lists those that there are", record.ErrNotExist, prefix, c.Metadata)
	case len(keys) == 1 || keys[0] == prefix: // the shortest comes first
		return keys[0], nil
	}
	shown := keys[:min(len(keys), candidates)]
	return "", &AmbiguousError{Prefix: prefix, Keys: shown, More: len(keys) > len(shown)}
}

// Keys lists the keys that begin with prefix, in alphabetical order, at most limit of them.
func (c *Client) Keys(ctx context.Context, prefix string, limit int) ([]string, error) {
	const folder = "experiments/"
	objects := c.objects.Bucket(c.Metadata).Objects(ctx, &storage.Query{Prefix: folder + prefix, Delimiter: "/"})
	var keys []string
	for len(keys) < limit {
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list gs://%s/%s: %w", c.Metadata, folder, err)
		}
		if key := strings.TrimPrefix(o.Name, folder); o.Prefix == "" && key != "" { // a folder of leases is no record
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}
