package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// admitted tells what the bridge learnt about the message, whether it takes it or not.
func (e *explanation) admitted(taken bool) {
	d := e.decision
	e.report.Kind = string(d.Kind)
	if t := d.Tenant; t.Prefix != "" {
		e.report.Tenant = &Tenant{Prefix: t.Prefix, Store: t.Store, Metadata: t.Metadata, Buckets: t.Buckets}
	}
	switch {
	case d.Envelope != nil:
		e.report.Signature = "made with a key that is registered for the prefix " + d.Tenant.SigningPrefix
	case d.Kind == admission.Clear && taken:
		e.report.Signature = "none is needed: no key is registered for the prefix " + d.Tenant.Prefix
	}
	e.report.Pool = d.Pool.Name
	if d.Request != nil {
		e.pools(d.Request.Experiment.Resources)
	} else if d.Envelope != nil {
		if asked, err := request.ParseResources(d.Envelope.Header.Resources); err == nil {
			e.pools(asked)
		}
	}
}

// pools tells for each pool, up to the first that holds the request, whether it does and what it lacks.
func (e *explanation) pools(asked request.Resources) {
	for _, p := range e.Policy.Pools {
		if lacks := p.Lacks(asked); lacks != nil {
			e.report.Pools = append(e.report.Pools, Pool{Name: p.Name, Field: lacks.Field, Asked: lacks.Asked, Has: lacks.Has})
			continue
		}
		e.report.Pools = append(e.report.Pools, Pool{Name: p.Name, Holds: true, Slots: p.SlotsNeeded(asked), Cards: p.Cards(asked)})
		return
	}
}

// describe tells what would run.
func (e *explanation) describe(r *request.Request) {
	p, x := e.plan(r), r.Experiment
	found := &Experiment{
		Key: x.Key, Script: x.Filename, Arguments: len(x.Args), Python: x.PythonVersion, Requirements: shown(p.Requirements()),
		Env: slices.Sorted(maps.Keys(r.Config.Env)), SaveEvery: p.SaveEvery().String(), Asks: asks(x.Resources),
		MostFiles: preflight.MaxFiles, MostUnpacked: e.decision.Pool.HDD,
	}
	if x.Filename == "-m" && len(x.Args) > 0 {
		found.Script, found.Arguments = "-m "+x.Args[0], len(x.Args)-1
	}
	if x.MaxDuration > 0 {
		found.MaxDuration = x.MaxDuration.String()
	}
	if r.Config.ExperimentLifetime > 0 {
		found.Lifetime = r.Config.ExperimentLifetime.String()
		found.Until, _ = p.LifetimeEnds()
	}
	if m := e.decision.Envelope; m != nil {
		found.Fingerprint = m.Fingerprint
	}
	for _, label := range slices.Sorted(maps.Keys(x.Artifacts)) {
		found.Artifacts = append(found.Artifacts, e.artifact(r, x.Artifacts[label]))
	}
	e.report.Experiment = found
	if len(found.Requirements) > 0 {
		e.unknown("whether the packages can be installed")
	}
	if !e.message.Uploaded {
		e.unknown("whether the artifacts that are only read are stored")
	}
}

func (e *explanation) artifact(r *request.Request, a request.Artifact) Artifact {
	found := Artifact{Label: a.Label, Mutable: a.Mutable}
	object, err := e.plan(r).Reach(a)
	if object.Key != "" {
		found.Object = object.String()
	}
	if err != nil {
		found.Fault = err.Error()
	}
	return found
}

// shown hides the passwords in the URLs of requirements.
func shown(requirements []string) (list []string) {
	for _, r := range requirements {
		list = append(list, pyspec.Redact(r))
	}
	return list
}

// asks writes resources in one line.
func asks(r request.Resources) string {
	var list []string
	for _, f := range []struct {
		name string
		n    int64
		size bool
	}{
		{"gpus", int64(r.GPUs), false}, {"gpuCount", int64(r.GPUCount), false}, {"gpuMem", r.GPUMem, true},
		{"cpus", int64(r.CPUs), false}, {"ram", r.RAM, true}, {"hdd", r.HDD, true},
	} {
		switch {
		case f.n == 0:
		case f.size:
			list = append(list, f.name+" "+humanize.Bytes(uint64(f.n))) //nolint:gosec // sizes are not negative
		default:
			list = append(list, fmt.Sprintf("%s %d", f.name, f.n))
		}
	}
	if len(list) == 0 {
		return "nothing in particular"
	}
	return strings.Join(list, ", ")
}
