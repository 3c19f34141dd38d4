package explain

import (
	"errors"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
)

// refuse tells who would refuse the message, and what would be left of it.
func (e *explanation) refuse(err error) {
	var refusal *admission.Refusal
	var fault *preflight.Fault
	switch {
	case errors.As(err, &refusal):
		r := &Refusal{Stage: message.Bridge, Reason: string(refusal.Reason), Detail: refusal.Detail, Becomes: "a dead letter"}
		if inside := (*executorError)(nil); errors.As(err, &inside) {
			r.Stage = message.Executor
		}
		if refusal.Report {
			r.Becomes += ", and a Failed report where reports are wanted"
		} else {
			r.Becomes += ", without a report: nobody has proven who sent it"
		}
		e.report.Refusal = r
	case errors.As(err, &fault):
		e.report.Refusal = &Refusal{
			Stage: message.Executor, Outcome: string(fault.Outcome), Detail: fault.Sentence,
			Becomes: "an experiment whose record says so",
		}
		if fault.Outcome == preflight.Completed {
			e.report.Refusal.Becomes = "nothing: it is acknowledged, and the record stays as it is"
		}
	default:
		e.report.Refusal = &Refusal{Stage: "queue", Detail: err.Error(), Becomes: "a message that stays in its queue"}
	}
}
