package drain

import (
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
)

// plan is when experiments must leave, and when the platform ends the executor.
type plan struct {
	leave, until time.Time
	grace        time.Duration // the pod's; 0 where there is none, or where it is not deleted
	because      string
}

// plan is that of the first signal. A deletion that is nil is not known, or there is no pod.
func (c Config) plan(now time.Time, d *pod.Deletion) plan {
	switch {
	case c.Pod == nil:
		return plan{leave: now.Add(c.Timeout), until: now.Add(c.Timeout + c.Hurry), because: "the executor was told to leave"}
	case d == nil:
		return c.hurry(now, "the pod may be gone soon")
	case !d.Asked:
		return c.hurry(now, "the pod ends without being deleted, as on a node that shuts down")
	}
	// Half of a short grace is for the experiments, half for what they leave.
	drain := min(c.Timeout, d.Grace-min(c.Saving, d.Grace/2))
	return plan{leave: now.Add(drain), until: now.Add(d.Grace), grace: d.Grace, because: "the pod is deleted"}
}

// sooner is the plan after the kubelet began anew: with the shorter grace that somebody asked for, or else by itself. The grace
// counts from now, as the kubelet counts it.
func (c Config) sooner(p plan, now time.Time, d *pod.Deletion) plan {
	if d == nil || !d.Asked || d.Grace >= p.grace {
		return c.hurry(now, "the pod's time is cut short, as on a node that shuts down")
	}
	shorter := c.plan(now, d)
	if shorter.leave.After(p.leave) {
		shorter.leave = p.leave
	}
	return shorter
}

func (c Config) hurry(now time.Time, because string) plan {
	return plan{leave: now, until: now.Add(c.Hurry), because: because}
}
