package preflight

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/pyspec"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// Check finds the first reason for which an executor would not run the program, in the order in which it looks.
func (p Plan) Check(now time.Time) error {
	if fault := p.Expired(now); fault != nil {
		return fault
	}
	if _, _, err := p.Output(); err != nil {
		return err
	}
	labels, err := p.Labels()
	if err != nil {
		return err
	}
	for _, label := range labels {
		if _, err := p.Reach(p.Request.Experiment.Artifacts[label]); err != nil {
			return err
		}
	}
	return p.checkPython()
}

func (p Plan) checkPython() error {
	_, err := pyspec.ParseRequirements(p.Requirements())
	if err == nil {
		_, _, _, err = pyspec.ParseVersion(p.Request.Experiment.PythonVersion)
	}
	if fault := NoEnvironment(err); fault != nil {
		return fault
	}
	return err
}

// Requirements are those of the experiment and of its configuration.
func (p Plan) Requirements() []string {
	return slices.Concat(p.Request.Experiment.PythonEnv, p.Request.Config.Pip)
}

// NoEnvironment is the fault of what is asked of Python, nil where err is another's.
func NoEnvironment(err error) *Fault {
	var requirements *pyspec.RequirementsError
	var interpreter *pyspec.InterpreterError
	if !errors.As(err, &requirements) && !errors.As(err, &interpreter) {
		return nil
	}
	return &Fault{Outcome: Failed, Err: err, Sentence: fmt.Sprintf("The Python environment cannot be built: %v", err)}
}

// LifetimeEnds is when the request is no longer wanted, if ever.
func (p Plan) LifetimeEnds() (time.Time, bool) {
	added, lifetime := p.Request.Experiment.TimeAdded, p.Request.Config.ExperimentLifetime
	return added.Add(lifetime), lifetime > 0 && !added.IsZero()
}

// Expired is the fault of a request whose lifetime has passed, and else nil.
func (p Plan) Expired(now time.Time) *Fault {
	if at, ok := p.LifetimeEnds(); !ok || now.Before(at) {
		return nil
	}
	return &Fault{Outcome: Expired, Sentence: fmt.Sprintf(
		"The experiment waited longer than its lifetime of %s and was not started. Submit it again, with a longer --lifetime if the queue is busy.",
		p.Request.Config.ExperimentLifetime)}
}

const (
	// defaultSaveEvery is for requests that do not say saveWorkspaceFrequency; the client's own default.
	defaultSaveEvery = time.Minute
	// minSaveEvery: Cloud Storage takes about one write a second for an object.
	minSaveEvery = time.Second
	// MaxFiles bounds the members of one artifact: the largest data sets of images that are stored file by file hold a few
	// million, and a file system runs out of inodes not far above.
	MaxFiles = 5_000_000
)

// SaveEvery is how often the artifacts are saved while the program runs.
func (p Plan) SaveEvery() time.Duration {
	every := p.Request.Config.SaveWorkspaceFrequency
	if every <= 0 {
		every = defaultSaveEvery
	}
	return max(every, minSaveEvery)
}

// Claimable is the fault of an experiment whose record lets no attempt begin, as far as the record alone tells. One that has
// ended is as [Completed] as it will be: executors acknowledge its message and say nothing.
func Claimable(r *record.Record) error {
	err := r.Claimable()
	var ended *record.EndedError
	switch {
	case errors.As(err, &ended):
		return &Fault{Outcome: Completed, Err: err, Sentence: "The experiment has ended already, and its message is not run again. Submit it under another name, or have the client put its record back to waiting."}
	case err != nil:
		return StoppedBefore(err)
	}
	return nil
}

// StoppedBefore is the fault of an experiment that was stopped while nothing ran it.
func StoppedBefore(err error) *Fault {
	return &Fault{Outcome: Stopped, Err: err, Sentence: "The experiment was stopped before it started."}
}
