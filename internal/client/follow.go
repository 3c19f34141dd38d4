package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/storage"

	"github.com/leaf-ai/studio-cloud-runner/internal/outputtar"
)

// pollEvery is how often a followed output is looked at. It changes at checkpoints only, at most once a second.
const pollEvery = time.Second

// ErrNoOutput is returned while nothing of an experiment's output is stored: it is saved at the first checkpoint.
var ErrNoOutput = errors.New("no output is stored yet")

// Output is a place in an experiment's output, from which the next read goes on.
type Output struct {
	c          *Client
	object     *storage.ObjectHandle
	generation int64
	offset     int64
}

// Output begins at the beginning of an experiment's output.
func (c *Client) Output(key string) *Output {
	return &Output{c: c, object: c.objects.Bucket(c.Store).Object("experiments/" + key + "/output.tar")}
}

// CopyNew writes what has come since the last call, by range reads. It tells whether the output that it read is final.
func (o *Output) CopyNew(ctx context.Context, w io.Writer) (final bool, err error) {
	attrs, err := o.object.Attrs(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return false, ErrNoOutput
	}
	if err != nil {
		return false, fmt.Errorf("look at the output: %w", err)
	}
	final = attrs.Metadata["studioml-state"] == "final"
	if attrs.Generation == o.generation {
		return final, nil
	}
	member, err := outputtar.Open(ctx, outputtar.GCS(o.object, attrs.Generation), attrs.Size)
	if errors.Is(err, storage.ErrObjectNotExist) { // replaced meanwhile; the next call sees the new one
		return false, nil
	}
	if err != nil {
		return final, fmt.Errorf("read the output: %w", err)
	}
	if member.Size < o.offset { // another run began anew
		o.offset = 0
	}
	n, err := copyRange(ctx, w, member, o.offset)
	o.offset += n
	if errors.Is(err, storage.ErrObjectNotExist) {
		return false, nil
	}
	if err != nil {
		return final, fmt.Errorf("read the output: %w", err)
	}
	o.generation = attrs.Generation
	return final, nil
}

func copyRange(ctx context.Context, w io.Writer, member *outputtar.Output, offset int64) (n int64, err error) {
	r, err := member.Range(ctx, offset, member.Size-offset)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(w, r)
	return n, errors.Join(err, r.Close())
}

// Follow copies the output as it is saved until the experiment has ended and all of it is copied, or ctx is done. It tells
// seen, unless that is nil, how the experiment stands at each look.
func (c *Client) Follow(ctx context.Context, key string, w io.Writer, seen func(Experiment)) error {
	output := c.Output(key)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		e, err := c.Experiment(ctx, key) // before the output, so that an end seen here is an output complete there
		if err != nil {
			return err
		}
		if seen != nil {
			seen(e)
		}
		if _, err := output.CopyNew(ctx, w); err != nil && !errors.Is(err, ErrNoOutput) {
			return err
		}
		if e.Ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
