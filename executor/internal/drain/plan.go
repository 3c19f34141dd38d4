package drain

import (
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
)

// plan is when experiments must leave, and when the platform ends the executor.
type plan struct {
	told         time.Time // when the executor was told
	leave, until time.Time
	grace        time.Duration // the pod's; 0 where there is none, or where it is not deleted
	unknown      bool          // whether the pod is deleted: it did not say so in time
	because      string
}

// plan is that of the first signal. A deletion that is nil is not known, or there is no pod.
func (c Config) plan(now time.Time, d *pod.Deletion) plan {
	switch {
	case c.Pod == nil:
		return plan{told: now, leave: now.Add(c.Timeout), until: now.Add(c.Timeout + c.Hurry), because: "the executor was told to leave"}
	case d == nil:
		p := c.hurry(now, "the pod may be gone soon")
		p.unknown = true
		return p
	case !d.Asked:
		return c.hurry(now, "the pod ends without being deleted, as on a node that shuts down")
	}
	// Half of a short grace is for the experiments, half for what they leave.
	drain := min(c.Timeout, d.Grace-min(c.Saving, d.Grace/2))
	return plan{told: now, leave: now.Add(drain), until: now.Add(d.Grace), grace: d.Grace, because: "the pod is deleted"}
}

// next is when something is to be done, zero for never. What is not known is asked again while experiments save.
func (p plan) next(now time.Time, left bool) time.Time {
	switch {
	case !left:
		return p.leave
	case p.unknown:
		return now.Add(pause)
	default:
		return time.Time{}
	}
}

// late is the plan once the pod has told what it did not tell in time. Experiments are leaving by then, and may have more time to save.
func (p plan) late(d pod.Deletion) plan {
	p.unknown, p.because = false, "the pod ends without being deleted, as it says late"
	if d.Asked {
		p.until, p.grace, p.because = p.told.Add(d.Grace), d.Grace, "the pod is deleted, as it says late"
	}
	return p
}

// sooner is the plan after the kubelet began anew: with the shorter grace that somebody asked for, or else by itself. The grace
// counts from now, as the kubelet counts it, but nothing gets later by it.
func (c Config) sooner(p plan, now time.Time, d *pod.Deletion) plan {
	s := c.hurry(now, "the pod's time is cut short, as on a node that shuts down")
	if d != nil && d.Asked && d.Grace < p.grace {
		s = c.plan(now, d)
	}
	if p.leave.Before(s.leave) {
		s.leave = p.leave
	}
	if p.grace > 0 && p.until.Before(s.until) { // otherwise it was a guess
		s.until = p.until
	}
	return s
}

func (c Config) hurry(now time.Time, because string) plan {
	return plan{told: now, leave: now, until: now.Add(c.Hurry), because: because}
}
