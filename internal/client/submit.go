package client

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cloud.google.com/go/storage"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// Submitted is an experiment on its way.
type Submitted struct {
	Key       string `json:"key"`
	Queue     string `json:"queue"`
	MessageID string `json:"message_id"` // SHA-256 of the message, as the Pub/Sub attribute and the events show it
}

// Submit stores the workspace and the record and then publishes the request, as the Python client does. When it returns
// without an error, the broker has the message in the queue.
func (c *Client) Submit(ctx context.Context, s Submission) (_ Submitted, err error) {
	workspace, err := c.storeWorkspace(ctx, s.Folder)
	if err != nil {
		return Submitted{}, err
	}
	now := time.Now()
	key := cmp.Or(s.Key, newKey(now))
	experiment, err := s.experiment(c.Deployment, key, workspace, now)
	if err != nil {
		return Submitted{}, err
	}
	body, err := s.body(experiment, s.config(c.Deployment))
	if err != nil {
		return Submitted{}, err
	}
	if err := c.storeRecord(ctx, key, experiment); err != nil {
		return Submitted{}, err
	}
	c.telling("waiting for RabbitMQ to take it", 0)(0)
	if err := publish(ctx, c.AMQPURL, s.Queue, body); err != nil {
		return Submitted{}, fmt.Errorf("submit %s: %w", key, err)
	}
	return Submitted{Key: key, Queue: s.Queue, MessageID: message.ID(body)}, nil
}

func (c *Client) storeRecord(ctx context.Context, key string, experiment map[string]any) error {
	data, err := json.Marshal(experiment)
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	ref := c.ref(key)
	w := c.objects.Bucket(ref.Bucket).Object(ref.Object()).NewWriter(ctx)
	w.ContentType = "application/json"
	_, err = w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("write the record gs://%s/%s: %w", ref.Bucket, ref.Object(), err)
	}
	return nil
}

// storeWorkspace stores the folder under its digest, unless it is there already.
func (c *Client) storeWorkspace(ctx context.Context, folder string) (key string, err error) {
	file, err := os.CreateTemp("", "workspace-*.tar")
	if err != nil {
		return "", fmt.Errorf("make a temporary file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	key, size, _, err := c.packWorkspace(ctx, file, folder)
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read the packed folder again: %w", err)
	}
	object := c.objects.Bucket(c.Store).Object(key)
	if _, err := object.Attrs(ctx); err == nil {
		return key, nil
	} else if !errors.Is(err, storage.ErrObjectNotExist) {
		return "", fmt.Errorf("look for gs://%s/%s: %w", c.Store, key, err)
	}
	w := object.NewWriter(ctx)
	w.ContentType = "application/x-tar"
	_, err = io.Copy(w, &progressReader{Reader: file, told: c.telling("uploading the workspace", size)})
	if err = errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("upload the workspace to gs://%s/%s: %w", c.Store, key, err)
	}
	return key, nil
}

// packWorkspace writes the folder's archive and names the object that is to hold it, by its digest.
func (c *Client) packWorkspace(ctx context.Context, to io.Writer, folder string) (key string, size int64, leftOut []string, err error) {
	digest := sha256.New()
	packed := &progressWriter{Writer: io.MultiWriter(to, digest), told: c.telling("packing the workspace", 0)}
	if leftOut, err = artifact.Pack(ctx, packed, folder); err != nil {
		return "", 0, nil, err
	}
	return "blobstore/" + hex.EncodeToString(digest.Sum(nil)) + ".tar", packed.done, leftOut, nil
}
