package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/metadata"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// saveNowAndThen checkpoints at saveWorkspaceFrequency until it is stopped. A checkpoint that fails is told and tried
// again at the next turn; one that is under way when it is stopped is given up, since the final save follows.
func (a *attempt) saveNowAndThen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(a.plan().SaveEvery())
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := a.checkpoint(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("checkpoint failed, trying again at the next one", "error", err)
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// checkpoint saves what changed: the artifacts first, the output last. What the program writes and prints in between is in
// the output before it is stored itself: the next checkpoint, or the attempt that resumes from this one, brings it.
func (a *attempt) checkpoint(ctx context.Context) error {
	if err := a.saveArtifacts(ctx, false); err != nil {
		return err
	}
	return a.saveOne(ctx, a.output, a.metadata(record.StateRunning, nil))
}

// finish saves everything as final and reports the end. After it, nothing of the experiment is left to do but the acknowledgement.
func (a *attempt) finish(ctx context.Context, v verdict) error {
	limited, cancel := context.WithTimeout(ctx, a.w.SaveTimeout)
	defer cancel()
	v, ended, err := a.saveFinal(limited, v)
	if err != nil {
		return err
	}
	a.stored = true
	return a.reportEnd(ctx, ended, v)
}

// saveFinal returns the verdict as it was stored.
func (a *attempt) saveFinal(ctx context.Context, v verdict) (_ verdict, ended time.Time, err error) {
	ended = a.w.Now()
	a.doc.SetStop(ended)
	var unpackable *artifact.PackError
	if err := a.saveArtifacts(ctx, true); errors.As(err, &unpackable) {
		v.outcome, v.reason = Failed, strings.TrimSpace(fmt.Sprintf("%s Not everything could be saved: %v.", v.reason, unpackable))
	} else if err != nil {
		return v, ended, err
	}
	if v.reason != "" {
		a.out.Say("%s", v.reason)
	}
	a.out.directive(metadata.StopLine(ended))
	if err := a.out.Close(); err != nil {
		a.log.Error("output is not complete on disk", "error", err)
	}
	final := a.metadata(record.StateFinal, &v)
	final[record.MetaEndedAt] = ended.UTC().Format(time.RFC3339Nano)
	a.ending = true
	if err := a.saveOne(ctx, a.output, final); err != nil {
		return v, ended, err
	}
	a.said.sayAt(a.output.updated, event.Saved, event.Data{Outcome: string(v.outcome), ExitCode: v.exitCode, Generation: a.output.generation})
	a.log.Info("experiment saved", "outcome", string(v.outcome), "generation", a.output.generation)
	return v, ended, a.saveResults(ctx, a.claim.Attempt, v.reason)
}

// saveArtifacts saves the mutable artifacts that changed, and the metadata document; at the end also those that nothing is
// stored of, so that whoever asks for one finds a folder, even an empty one. A folder that cannot be packed does not keep the
// others from being saved.
func (a *attempt) saveArtifacts(ctx context.Context, all bool) (err error) {
	if err := a.saveDocument(ctx); err != nil {
		return err
	}
	for _, s := range a.saved {
		if all && s.generation == 0 {
			s.fingerprint = ""
		}
		saveErr := a.saveOne(ctx, s, a.metadata(record.StateRunning, nil))
		var unpackable *artifact.PackError
		if saveErr != nil && !errors.As(saveErr, &unpackable) {
			return saveErr
		}
		err = errors.Join(err, saveErr)
	}
	return err
}

// metadata is the custom metadata of an upload, by which finalize and the next attempt know what it is.
func (a *attempt) metadata(state string, v *verdict) map[string]string {
	m := map[string]string{
		record.MetaExperiment: a.ref.Key, record.MetaAttempt: a.claim.Attempt, record.MetaState: state,
		record.MetaExecutor: a.w.Executor, record.MetaStartedAt: a.claim.StartedAt.UTC().Format(time.RFC3339Nano),
	}
	if v != nil {
		m[record.MetaOutcome], m[record.MetaReason] = string(v.outcome), v.reason
		if v.exitCode != nil {
			m[record.MetaExitCode] = strconv.Itoa(*v.exitCode)
		}
	}
	return m
}

// saveOne uploads a folder if it changed since it was last saved; a final output is always written.
func (a *attempt) saveOne(ctx context.Context, s *saved, meta map[string]string) error {
	fingerprint, err := artifact.Fingerprint(ctx, s.dir)
	if err != nil {
		return fmt.Errorf("look at the folder of %s: %w", s.label, err)
	}
	if fingerprint == s.fingerprint && meta[record.MetaState] != record.StateFinal {
		return nil
	}
	info, err := a.fenced(ctx, s, func(generation *int64) (artifact.Info, error) {
		return artifact.Upload(ctx, s.store, s.object, s.dir, artifact.Put{Metadata: meta, IfGeneration: generation, MaxBytes: a.w.MaxUnpacked})
	})
	if err != nil {
		return err
	}
	if len(info.LeftOut) > 0 && !s.told {
		s.told = true
		a.out.Say("Not saved with %s: %s.", s.label, strings.Join(info.LeftOut, "; "))
	}
	s.generation, s.updated, s.fingerprint = info.Generation, info.Updated, fingerprint
	return nil
}

// fenced writes an object only as the holder of the claim: it looks at the claim first and writes on the generation that
// it knows. A generation that moved on is either an own write whose answer was lost or a superseded attempt's late one:
// if the claim still stands, it is adopted and written over.
func (a *attempt) fenced(ctx context.Context, s *saved, write func(generation *int64) (artifact.Info, error)) (artifact.Info, error) {
	generation := s.generation
	for {
		if _, err := a.w.Records.Heartbeat(ctx, a.claim); err != nil {
			return artifact.Info{}, fmt.Errorf("check the claim before saving %s: %w", s.label, err)
		}
		info, err := write(&generation)
		if err == nil || !errors.Is(err, artifact.ErrPrecondition) {
			return info, err
		}
		info, err = s.store.Attrs(ctx, s.object)
		if err != nil && !errors.Is(err, artifact.ErrNotExist) {
			return info, fmt.Errorf("look at %s after it changed: %w", s.label, err)
		}
		a.log.Warn("object was written by another attempt and is written over", "label", s.label, "by", info.Metadata[record.MetaAttempt])
		generation = info.Generation // 0 when it is gone
	}
}

// saveDocument stores the metadata document where both kinds of tools look: in the _metadata artifact and on its own.
func (a *attempt) saveDocument(ctx context.Context) error {
	doc := a.doc.JSON()
	if string(doc) == string(a.docSent) {
		return nil
	}
	for _, s := range a.saved {
		if s.label == labelMetadata {
			if err := writeFile(s.dir, a.docName, doc); err != nil {
				return err
			}
		}
	}
	storage := a.output.object
	storage.Key = "metadata/" + a.docName
	_, err := a.output.store.Put(ctx, storage, artifact.Put{Metadata: a.metadata(record.StateRunning, nil)},
		func(w io.Writer) error { _, err := w.Write(doc); return err })
	if err != nil {
		return fmt.Errorf("save the metadata document: %w", err)
	}
	a.docSent = doc
	return nil
}

// writeFile writes into a folder of the executor's, whatever was unpacked there.
func writeFile(dir, name string, content []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder of %s: %w", name, err)
	}
	err = errors.Join(root.WriteFile(name, content, 0o644), root.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
