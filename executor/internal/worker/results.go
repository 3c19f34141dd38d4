package worker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// complete acknowledges an experiment that has ended, once what comes after its output.tar is there too and its end is reported:
// the executor that saved it may have died in between.
func (x *experiment) complete(ctx context.Context, attempt string) (Disposition, error) {
	if err := x.saveResults(ctx, attempt, ""); err != nil {
		return Return, err
	}
	if err := x.reportAgain(ctx, attempt); err != nil {
		return Return, err
	}
	x.log.Info("experiment has ended already, its message is acknowledged", "attempt", attempt)
	return Acknowledge, nil
}

// saveResults writes the completion marker that clients of the completion service wait for, after every other artifact.
// The marker of the same attempt is left alone.
func (x *experiment) saveResults(ctx context.Context, attempt, exitMessage string) error {
	art, wanted := x.req.Experiment.Artifacts[labelResults]
	if !wanted {
		return nil
	}
	object, store, err := x.writable(art)
	var fault *Fault
	if errors.As(err, &fault) { // it ended the experiment when it was fetched; its output says so
		return nil
	}
	if err != nil {
		return err
	}
	there, err := store.Attrs(ctx, object)
	if err != nil && !errors.Is(err, artifact.ErrNotExist) {
		return fmt.Errorf("look for the completion marker: %w", err)
	}
	if err == nil && there.Metadata[record.MetaAttempt] == attempt {
		return nil
	}
	marker, err := x.marker(exitMessage)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, object, artifact.Put{
		IfGeneration: &there.Generation,
		Metadata:     map[string]string{record.MetaExperiment: x.ref.Key, record.MetaAttempt: attempt, record.MetaState: record.StateFinal},
	}, func(w io.Writer) error { return writeTar(w, "_results.json", marker) })
	if err != nil {
		return fmt.Errorf("save the completion marker: %w", err)
	}
	return nil
}

func (x *experiment) marker(exitMessage string) ([]byte, error) {
	names := map[string]map[string]string{}
	for label := range x.req.Experiment.Artifacts {
		names[label] = map[string]string{"name": label}
	}
	marker, err := json.Marshal(map[string]any{
		"exit_msg": exitMessage, "experiment_id": x.ref.Key, "host": x.w.Executor, "artifacts": names,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the completion marker: %w", err)
	}
	return marker, nil
}

func writeTar(w io.Writer, name string, content []byte) error {
	t := tar.NewWriter(w)
	err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = t.Write(content)
	}
	return errors.Join(err, t.Close())
}
