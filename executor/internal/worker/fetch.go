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
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Labels with a meaning of their own.
const (
	labelWorkspace = preflight.Workspace
	labelOutput    = preflight.Output
	labelMetadata  = preflight.Metadata
	labelResults   = preflight.Results
	labelStatus    = preflight.Status
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

// plan is what decides whether the experiment may run.
func (x *experiment) plan() preflight.Plan {
	return preflight.Plan{Request: x.req, Tenant: x.tenant, Stores: x.w.Stores}
}

func (x *experiment) writable(a request.Artifact) (artifact.Object, artifact.Store, error) {
	return x.plan().Writable(a)
}

func (x *experiment) readable(a request.Artifact) (artifact.Object, artifact.Opener, error) {
	return x.plan().Readable(a)
}

// fetchOutput brings what earlier attempts wrote, so that the output goes on where it ended.
func (a *attempt) fetchOutput(ctx context.Context) (*saved, error) {
	object, store, err := a.plan().Output()
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
	labels, err := a.plan().Labels()
	if err != nil {
		return err
	}
	kept := make([]*saved, len(labels))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, label := range labels {
		group.Go(func() (err error) {
			kept[i], err = a.fetch(ctx, a.req.Experiment.Artifacts[label])
			return err
		})
	}
	err = group.Wait()
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
	limits.Unpack = art.Unpack || art.Mutable // what a run saves is an archive always
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
		return preflight.Refuse(art, err)
	case errors.As(err, &web), errors.As(err, &denied) && !denied.Own: // credentials of the request's own
		return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s cannot be fetched: %v", art.Label, err)}
	default:
		return fmt.Errorf("fetch %s: %w", art.Label, err)
	}
}

func (a *attempt) limits(owned bool) artifact.Limits {
	l := artifact.Limits{MaxBytes: a.w.MaxUnpacked, MaxFiles: preflight.MaxFiles, Unpack: true, UID: -1, GID: -1}
	if owned {
		l.UID, l.GID = a.folder.uid(), a.folder.gid()
	}
	return l
}
