package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
)

// Artifact is a stored object of an experiment.
type Artifact struct {
	Label   string    `json:"label"` // the object's name without .tar
	Object  string    `json:"object"`
	Size    int64     `json:"size"`
	Updated time.Time `json:"updated"`
}

// Artifacts lists experiments/<key>/ in the store.
func (c *Client) Artifacts(ctx context.Context, key string) ([]Artifact, error) {
	prefix := "experiments/" + key + "/"
	objects := c.objects.Bucket(c.Store).Objects(ctx, &storage.Query{Prefix: prefix})
	var found []Artifact
	for {
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list gs://%s/%s: %w", c.Store, prefix, err)
		}
		label := strings.TrimSuffix(strings.TrimPrefix(o.Name, prefix), ".tar")
		found = append(found, Artifact{Label: label, Object: "gs://" + c.Store + "/" + o.Name, Size: o.Size, Updated: o.Updated})
	}
}

// Get unpacks an artifact into dir, over what dir holds.
func (c *Client) Get(ctx context.Context, key, label, dir string) (err error) {
	name := "experiments/" + key + "/" + label + ".tar"
	r, err := c.objects.Bucket(c.Store).Object(name).NewReader(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return fmt.Errorf("gs://%s/%s is not there: %w", c.Store, path.Clean(name), err)
	}
	if err != nil {
		return fmt.Errorf("read gs://%s/%s: %w", c.Store, name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the folder %s: %w", dir, err)
	}
	fetched := &progressReader{Reader: r, told: c.telling("fetching "+label, r.Attrs.Size)}
	return artifact.Unpack(ctx, fetched, dir, artifact.Limits{})
}
