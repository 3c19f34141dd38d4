package finalizer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// ErrNotExist is an object, or a generation of one, that is not there.
var ErrNotExist = errors.New("no such object")

// Object is one generation of an object.
type Object struct {
	Bucket, Name     string
	Generation, Size int64
	CRC32C           uint32
	Updated          time.Time
	Metadata         map[string]string
}

// Objects is a store. Its errors are transient, except for [ErrNotExist].
type Objects interface {
	// Stat returns the object's newest generation.
	Stat(ctx context.Context, bucket, name string) (Object, error)
	// Open reads the generation that o names.
	Open(ctx context.Context, o Object) (io.ReadCloser, error)
	// Tail returns the end of the output in an output.tar, whatever the archive's size. It reports whether that is all of
	// the output, and outputtar's errors for an archive that holds none.
	Tail(ctx context.Context, o Object, n int64) (tail []byte, whole bool, err error)
}

// Records is a record.Store.
type Records interface {
	Finalize(ctx context.Context, ref record.Ref, o record.Output) (record.Change, error)
}

// Events is an event.Publisher.
type Events interface {
	Publish(ctx context.Context, e event.Event) error
}

// Finalizer acts on events about stored objects. It is safe for concurrent use.
type Finalizer struct {
	Tenants func() *tenant.Set
	Objects Objects
	Records Records
	Events  Events
	Logger  *slog.Logger
}

// Receive acts on one event. An error asks for its redelivery.
func (f *Finalizer) Receive(ctx context.Context, e cloudevents.Event) error {
	n, err := readNotice(e)
	if err != nil {
		f.Logger.Error("event is not understood and dropped", "event_id", e.ID(), "error", err)
		return nil
	}
	key, ok := n.experiment()
	if !ok {
		f.Logger.Debug("object is no output", "object", n.Name)
		return nil
	}
	log := f.Logger.With("experiment", key, "bucket", n.Bucket)
	owner, ok := f.Tenants().ByStore(n.Bucket)
	if !ok {
		log.Warn("bucket is no tenant's store")
		return nil
	}
	err = f.finalize(ctx, log, record.Ref{Bucket: owner.Metadata, Key: key}, n)
	switch {
	case errors.Is(err, ErrNotExist): // whatever took its place has an event of its own
		log.Info("output was deleted or overwritten before it was read")
		return nil
	case errors.Is(err, errForeign), errors.Is(err, record.ErrMalformed):
		log.Error("output cannot be recorded", "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("finalize %s: %w", key, err)
	}
	return nil
}

// finalize has the record take note of the output as it is now, and tells the event.
func (f *Finalizer) finalize(ctx context.Context, log *slog.Logger, ref record.Ref, n notice) error {
	o, err := f.Objects.Stat(ctx, n.Bucket, n.Name)
	if err != nil {
		return err
	}
	log = log.With("generation", o.Generation)
	output, err := f.read(ctx, log, ref.Key, o)
	if err != nil {
		return err
	}
	log = log.With("attempt", output.Attempt)
	change, err := f.Records.Finalize(ctx, ref, output)
	if err != nil {
		return err
	}
	if change.Kind == record.Unchanged {
		log.Info("output changes nothing", "why", change.Why)
		return nil
	}
	told := tell(ref.Key, o, output, change)
	if err := f.Events.Publish(ctx, told); err != nil {
		return err
	}
	log.Info("output recorded", "change", string(change.Kind), "written", change.Written, "outcome", change.Outcome)
	return nil
}

// tell makes the event of a change, the same for every delivery.
func tell(key string, o Object, output record.Output, c record.Change) event.Event {
	e := event.Event{
		Type: event.Checkpointed, Experiment: key, Time: o.Updated,
		Data: event.Data{
			Experiment: key, Attempt: output.Attempt, Executor: o.Metadata[record.MetaExecutor], Generation: o.Generation, Size: o.Size,
		},
	}
	if c.Kind == record.Ended {
		e.Type = event.Finished
		e.Data.Outcome, e.Data.Detail, e.Data.ExitCode = c.Outcome, c.Reason, c.ExitCode
	}
	e.ID = fmt.Sprintf("%s/%d/%s", key, o.Generation, e.Type)
	return e
}
