package worker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Labels with a meaning of their own.
const (
	labelWorkspace = "workspace"
	labelOutput    = "output"
	labelMetadata  = "_metadata"
	labelResults   = "_results"
	labelStatus    = "_status" // a client's stop request, not the program's
)

// saved is an artifact that this attempt may write: what is stored of it, and where it lies on disk.
type saved struct {
	label       string
	object      artifact.Object
	store       artifact.Store
	dir         string
	generation  int64     // of the object last seen or written; 0 when there is none
	updated     time.Time // of the object last written
	fingerprint string    // of the folder last saved
	told        bool      // what of the folder cannot be saved
}

// outputObject is where the request wants its output. Finalize knows experiments by this name alone, so no other will do.
func (x *experiment) outputObject() (artifact.Object, artifact.Store, error) {
	storage := x.req.Config.Storage
	a, named := x.req.Experiment.Artifacts[labelOutput]
	if !named {
		a = request.Artifact{Label: labelOutput, Mutable: true, Bucket: storage.Bucket, Key: artifactKey(x.ref.Key, labelOutput)}
	}
	object, store, err := x.resolve(a, true)
	if err != nil {
		return object, nil, err
	}
	if object.Key != artifactKey(x.ref.Key, labelOutput) {
		return object, nil, &Fault{Outcome: Refused, Sentence: fmt.Sprintf(
			"The artifact output is to be stored as %s, but an experiment's output is always %s in its bucket. Leave its name to the client.",
			object, artifactKey(x.ref.Key, labelOutput))}
	}
	return object, store, nil
}

func artifactKey(experiment, label string) string {
	return "experiments/" + experiment + "/" + label + ".tar"
}

// resolve finds an artifact's object and the store that this executor may reach it through.
func (x *experiment) resolve(a request.Artifact, write bool) (artifact.Object, artifact.Store, error) {
	object, err := a.Object(x.req.Config.Storage)
	if err != nil {
		return object, nil, &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s names no object that can be fetched: %v.", a.Label, err)}
	}
	store, err := x.w.Stores.Resolve(object, x.tenant, a.Credentials, write)
	var refused *artifact.RefusedError
	if errors.As(err, &refused) {
		return object, nil, &Fault{Outcome: Refused, Err: err, Sentence: fmt.Sprintf("The artifact %s is refused: %v", a.Label, err)}
	}
	if err != nil {
		return object, nil, fmt.Errorf("reach the store of %s: %w", a.Label, err)
	}
	return object, store, nil
}

// fetchOutput brings what earlier attempts wrote, so that the output goes on where it ended.
func (a *attempt) fetchOutput(ctx context.Context) (*saved, error) {
	object, store, err := a.outputObject()
	if err != nil {
		return nil, err
	}
	s := &saved{label: labelOutput, object: object, store: store}
	if s.dir, err = a.folder.label(labelOutput, false); err != nil {
		return nil, err
	}
	info, err := artifact.Fetch(ctx, store, object, s.dir, a.limits(false))
	var unpack *artifact.UnpackError
	switch {
	case errors.Is(err, artifact.ErrNotExist):
	case errors.As(err, &unpack): // what lies there is no output; ours replaces it
		a.log.Warn("earlier output is not readable and is replaced", "error", err)
	case err != nil:
		return nil, fmt.Errorf("fetch the earlier output: %w", err)
	}
	s.generation = info.Generation
	return s, nil
}

// fetchAll brings the other artifacts, a few at a time.
func (a *attempt) fetchAll(ctx context.Context) error {
	var labels []string
	for label := range a.req.Experiment.Artifacts {
		if label != labelOutput && label != labelResults && label != labelStatus {
			labels = append(labels, label)
		}
	}
	if art, ok := a.req.Experiment.Artifacts[labelResults]; ok { // is written at the end, and had better be writable
		if _, _, err := a.resolve(art, true); err != nil {
			return err
		}
	}
	if !slices.Contains(labels, labelWorkspace) {
		return &Fault{Outcome: Failed, Sentence: "The request has no workspace artifact, so there is nothing to run. Submit it with `studio run` from the folder that holds the script."}
	}
	slices.Sort(labels)
	kept := make([]*saved, len(labels))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, label := range labels {
		group.Go(func() (err error) {
			kept[i], err = a.fetch(ctx, a.req.Experiment.Artifacts[label])
			return err
		})
	}
	err := group.Wait()
	// What was fetched can be saved; what was not must not replace what is stored.
	a.saved = slices.DeleteFunc(kept, func(s *saved) bool { return s == nil })
	return err
}

// fetch brings one artifact into its folder. It returns what may be saved again, nil for an immutable one.
func (a *attempt) fetch(ctx context.Context, art request.Artifact) (*saved, error) {
	dir, err := a.folder.label(art.Label, art.Label != labelMetadata)
	if err != nil {
		return nil, err
	}
	object, store, err := a.resolve(art, art.Mutable)
	if err != nil {
		return nil, err
	}
	limits := a.limits(art.Label != labelMetadata)
	if !art.Mutable {
		limits.Digest = artifact.DigestOf(object.Key)
	}
	info, err := artifact.Fetch(ctx, store, object, dir, limits)
	if err := a.unfetched(art, object, err); err != nil || !art.Mutable {
		return nil, err
	}
	s := &saved{label: art.Label, object: object, store: store, dir: dir, generation: info.Generation}
	if s.fingerprint, err = artifact.Fingerprint(ctx, dir); err != nil {
		return nil, fmt.Errorf("look at the folder of %s: %w", art.Label, err)
	}
	return s, nil
}

// unfetched tells which errors of a fetch are the experimenter's, and which are none.
func (a *attempt) unfetched(art request.Artifact, object artifact.Object, err error) error {
	var unpack *artifact.UnpackError
	var denied *artifact.DeniedError
	switch {
	case err == nil, errors.Is(err, artifact.ErrNotExist) && art.Mutable:
		return nil
	case errors.Is(err, artifact.ErrNotExist):
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf(
			"The artifact %s is not there: %s does not exist. Submit the experiment again so that the client uploads it; an artifact that is reused must still be stored.", art.Label, object)}
	case errors.As(err, &unpack):
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s (%s) cannot be unpacked: %v", art.Label, path.Base(object.Key), err)}
	case errors.As(err, &denied) && !denied.Own: // credentials of the request's own
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s cannot be fetched: %v", art.Label, err)}
	default:
		return fmt.Errorf("fetch %s: %w", art.Label, err)
	}
}

func (a *attempt) limits(owned bool) artifact.Limits {
	l := artifact.Limits{MaxBytes: a.w.MaxUnpacked, MaxFiles: maxFiles, Unpack: true, UID: -1, GID: -1}
	if owned {
		l.UID, l.GID = a.folder.uid(), a.folder.gid()
	}
	return l
}

// maxFiles bounds the members of one artifact: the largest data sets of images that are stored file by file hold a few
// million, and a file system runs out of inodes not far above.
const maxFiles = 5_000_000
