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
	if !named || !a.Mutable { // a rerun names the output of the experiment that it repeats, to read
		a = request.Artifact{Label: labelOutput, Mutable: true, Bucket: storage.Bucket, Key: artifactKey(x.ref.Key, labelOutput)}
	}
	object, store, err := x.writable(a)
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

// writable finds an artifact's object and the store that this executor may write it through.
func (x *experiment) writable(a request.Artifact) (artifact.Object, artifact.Store, error) {
	object, err := x.object(a)
	if err != nil {
		return object, nil, err
	}
	store, err := x.w.Stores.Resolve(object, x.tenant, a.Credentials, true)
	if err != nil {
		return object, nil, refusal(a, err)
	}
	return object, store, nil
}

// readable finds an artifact's object and whom this executor may ask for it.
func (x *experiment) readable(a request.Artifact) (artifact.Object, artifact.Opener, error) {
	object, err := x.object(a)
	if err != nil {
		return object, nil, err
	}
	opener, err := x.w.Stores.Reader(object, x.tenant, a.Credentials)
	if err != nil {
		return object, nil, refusal(a, err)
	}
	return object, opener, nil
}

func (x *experiment) object(a request.Artifact) (artifact.Object, error) {
	object, err := a.Object(x.req.Config.Storage)
	if err != nil {
		return object, &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s names no object that can be fetched: %v.", a.Label, err)}
	}
	return object, nil
}

func refusal(a request.Artifact, err error) error {
	return &Fault{Outcome: Refused, Err: err, Sentence: fmt.Sprintf("The artifact %s is refused: %v", a.Label, err)}
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
		if _, _, err := a.writable(art); err != nil {
			return err
		}
	}
	if art, ok := a.req.Experiment.Artifacts[labelStatus]; ok { // is looked at while it runs
		if _, _, err := a.readable(art); err != nil {
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
	limits := a.limits(art.Label != labelMetadata)
	limits.Unpack = art.Unpack
	if !art.Mutable {
		object, opener, err := a.readable(art)
		if err != nil {
			return nil, err
		}
		limits.Digest = artifact.DigestOf(object.Key)
		_, err = artifact.Fetch(ctx, opener, object, dir, limits)
		return nil, a.unfetched(art, object, err)
	}
	object, store, err := a.writable(art)
	if err != nil {
		return nil, err
	}
	info, err := artifact.Fetch(ctx, store, object, dir, limits)
	if err := a.unfetched(art, object, err); err != nil {
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
	var refused *artifact.RefusedError
	var web *artifact.WebError
	switch {
	case err == nil, errors.Is(err, artifact.ErrNotExist) && art.Mutable:
		return nil
	case errors.Is(err, artifact.ErrNotExist):
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf(
			"The artifact %s is not there: %s does not exist. Submit the experiment again so that the client uploads it; an artifact that is reused must still be stored.", art.Label, object)}
	case errors.As(err, &unpack):
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s (%s) cannot be unpacked: %v", art.Label, path.Base(object.Key), err)}
	case errors.As(err, &refused):
		return refusal(art, err)
	case errors.As(err, &web), errors.As(err, &denied) && !denied.Own: // credentials of the request's own
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
