package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/iterator"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// Experiment is what a record says, as people ask for it.
type Experiment struct {
	Key      string    `json:"key"`
	Status   string    `json:"status"`
	Outcome  string    `json:"outcome,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	ExitCode *int      `json:"exit_code,omitempty"`
	Pool     string    `json:"pool,omitempty"`
	Executor string    `json:"executor,omitempty"`
	Attempts int       `json:"attempts"`
	Added    time.Time `json:"added,omitzero"`
	Started  time.Time `json:"started,omitzero"`
	Saved    time.Time `json:"saved,omitzero"` // the last checkpoint
	Finished time.Time `json:"finished,omitzero"`

	Document json.RawMessage `json:"document,omitempty"`
}

// Ended tells whether nothing more will happen.
func (e Experiment) Ended() bool { return e.Status == string(record.Finished) }

// Experiment reads one record. The error is record.ErrNotExist where there is none.
func (c *Client) Experiment(ctx context.Context, key string) (Experiment, error) {
	r, err := c.read(ctx, key)
	if err != nil {
		return Experiment{}, err
	}
	return view(r), nil
}

// Records reads the deployment's records.
func (c *Client) Records() *record.Store { return c.records }

// Record is the whole record as it is stored.
func (c *Client) Record(ctx context.Context, key string) (json.RawMessage, error) {
	r, err := c.records.Read(ctx, c.ref(key))
	if err != nil {
		return nil, err
	}
	return r.JSON()
}

func view(r *record.Record) Experiment {
	cloud := r.Cloud()
	e := Experiment{
		Key: r.Ref.Key, Status: string(r.Status()), Outcome: cloud.Outcome, Reason: cloud.Reason, ExitCode: cloud.ExitCode,
		Attempts: len(cloud.Attempts), Added: r.Time("time_added"), Started: r.Time("time_started"),
		Saved: r.Time("time_last_checkpoint"), Finished: r.Time("time_finished"), Document: cloud.Document,
	}
	if n := len(cloud.Attempts); n > 0 {
		e.Pool, e.Executor = cloud.Attempts[n-1].Pool, cloud.Attempts[n-1].Executor
	}
	return e
}

// Experiments reads the newest records, newest first, at most limit of them. What cannot be read as a record is left out.
func (c *Client) Experiments(ctx context.Context, limit int) ([]Experiment, error) {
	const prefix = "experiments/"
	var newest []*storage.ObjectAttrs
	objects := c.objects.Bucket(c.Metadata).Objects(ctx, &storage.Query{Prefix: prefix, Delimiter: "/"})
	for {
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list gs://%s/%s: %w", c.Metadata, prefix, err)
		}
		if o.Prefix == "" && o.Name != prefix { // a folder of leases is no record
			newest = append(newest, o)
		}
	}
	slices.SortFunc(newest, func(a, b *storage.ObjectAttrs) int { return b.Updated.Compare(a.Updated) })
	newest = newest[:min(limit, len(newest))]
	found := make([]Experiment, len(newest))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, o := range newest {
		group.Go(func() error {
			r, err := c.records.Read(ctx, c.ref(strings.TrimPrefix(o.Name, prefix)))
			if errors.Is(err, record.ErrNotExist) || errors.Is(err, record.ErrMalformed) {
				return nil
			}
			if err != nil {
				return err
			}
			found[i] = view(r)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(e Experiment) bool { return e.Key == "" })
	slices.SortStableFunc(found, func(a, b Experiment) int { return cmp.Or(b.Added.Compare(a.Added), cmp.Compare(a.Key, b.Key)) })
	return found, nil
}

// Stop asks for the end of an experiment, the way the Python client does: by its record. It tells whether there was
// anything to stop.
func (c *Client) Stop(ctx context.Context, key string) (asked bool, err error) {
	asked, err = c.records.Stop(ctx, c.ref(key))
	if err != nil {
		return false, fmt.Errorf("ask %s to stop: %w", key, err)
	}
	return asked, nil
}
