package preflight

import (
	"fmt"
	"slices"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Labels with a meaning of their own.
const (
	Workspace = "workspace"
	Output    = "output"
	Metadata  = "_metadata"
	Results   = "_results"
	Status    = "_status" // a client's stop request, not the program's
)

// Plan is a request with all that decides whether it may run.
type Plan struct {
	Request *request.Request
	Tenant  tenant.Tenant
	Stores  *artifact.Stores
}

// Output is where the request wants its output. Finalize knows experiments by this name alone, so no other will do.
func (p Plan) Output() (artifact.Object, artifact.Store, error) {
	key, storage := p.Request.Experiment.Key, p.Request.Config.Storage
	a, named := p.Request.Experiment.Artifacts[Output]
	if !named || !a.Mutable { // a rerun names the output of the experiment that it repeats, to read
		a = request.Artifact{Label: Output, Mutable: true, Bucket: storage.Bucket, Key: ObjectKey(key, Output)}
	}
	object, store, err := p.Writable(a)
	if err != nil {
		return object, nil, err
	}
	if object.Key != ObjectKey(key, Output) {
		return object, nil, &Fault{Outcome: Refused, Sentence: fmt.Sprintf(
			"The artifact output is to be stored as %s, but an experiment's output is always %s in its bucket. Leave its name to the client.",
			object, ObjectKey(key, Output))}
	}
	return object, store, nil
}

// ObjectKey is where an experiment's artifact is stored.
func ObjectKey(experiment, label string) string {
	return "experiments/" + experiment + "/" + label + ".tar"
}

// Writable finds an artifact's object and the store that this executor may write it through.
func (p Plan) Writable(a request.Artifact) (artifact.Object, artifact.Store, error) {
	object, err := p.object(a)
	if err != nil {
		return object, nil, err
	}
	store, err := p.Stores.Resolve(object, p.Tenant, a.Credentials, true)
	if err != nil {
		return object, nil, Refuse(a, err)
	}
	return object, store, nil
}

// Readable finds an artifact's object and whom this executor may ask for it.
func (p Plan) Readable(a request.Artifact) (artifact.Object, artifact.Opener, error) {
	object, err := p.object(a)
	if err != nil {
		return object, nil, err
	}
	opener, err := p.Stores.Reader(object, p.Tenant, a.Credentials)
	if err != nil {
		return object, nil, Refuse(a, err)
	}
	return object, opener, nil
}

// Reach finds an artifact's object, and fails if this executor may not do with it what its label asks.
func (p Plan) Reach(a request.Artifact) (object artifact.Object, err error) {
	switch {
	case a.Label == Output:
		object, _, err = p.Output()
	case a.Label == Results, a.Mutable && a.Label != Status:
		object, _, err = p.Writable(a)
	default:
		object, _, err = p.Readable(a)
	}
	return object, err
}

func (p Plan) object(a request.Artifact) (artifact.Object, error) {
	object, err := a.Object(p.Request.Config.Storage)
	if err != nil {
		return object, &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The artifact %s names no object that can be fetched: %v.", a.Label, err)}
	}
	return object, nil
}

// Refuse is the fault of an artifact that this experiment may not have.
func Refuse(a request.Artifact, err error) error {
	return &Fault{Outcome: Refused, Err: err, Sentence: fmt.Sprintf("The artifact %s is refused: %v", a.Label, err)}
}

// Labels are those to be fetched besides output, in order. What is only reached later is checked here.
func (p Plan) Labels() ([]string, error) {
	artifacts := p.Request.Experiment.Artifacts
	var labels []string
	for label := range artifacts {
		if label != Output && label != Results && label != Status {
			labels = append(labels, label)
		}
	}
	for _, label := range []string{Results, Status} { // is written at the end, and looked at while it runs
		if a, ok := artifacts[label]; ok {
			if _, err := p.Reach(a); err != nil {
				return nil, err
			}
		}
	}
	if !slices.Contains(labels, Workspace) {
		return nil, &Fault{Outcome: Failed, Sentence: "The request has no workspace artifact, so there is nothing to run. Submit it with `studio run` from the folder that holds the script."}
	}
	slices.Sort(labels)
	return labels, nil
}
