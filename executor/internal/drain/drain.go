package drain

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
)

// Pod tells whether the executor's pod is deleted.
type Pod interface {
	Deletion(ctx context.Context) (pod.Deletion, error)
}

// Config is what an executor's operator decides about its leaving.
type Config struct {
	Timeout time.Duration // how long experiments may go on
	Saving  time.Duration // how long their saving may take where there is time for it
	Hurry   time.Duration // between the signal and the end where the platform does not wait
	Pod     Pod           // nil where there is none
	Log     *slog.Logger
}

// Drain is an executor's leaving, which may still be to come.
type Drain struct {
	cfg   Config
	again <-chan os.Signal
	leave chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup
	heard bool // the hook that comes with the signal to leave; only run's

	mu    sync.Mutex
	until time.Time
}

// Start waits for told to end, and for what comes from again. Whoever calls it calls [Drain.Stop].
func Start(told context.Context, again <-chan os.Signal, cfg Config) *Drain {
	life, stop := context.WithCancel(context.WithoutCancel(told))
	d := &Drain{cfg: cfg, again: again, leave: make(chan struct{}), stop: stop}
	d.ended.Go(func() { d.try(life) })
	d.ended.Go(func() { d.run(told, life) })
	return d
}

// Leave closes when experiments must leave.
func (d *Drain) Leave() <-chan struct{} { return d.leave }

// Until is when the platform ends the executor; zero as long as that is not known.
func (d *Drain) Until() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.until
}

// Stop ends the waiting. Stopping twice is harmless.
func (d *Drain) Stop() {
	d.stop()
	d.ended.Wait()
}

// run goes on after experiments must leave: the time to save may turn out to be longer, or shorter.
func (d *Drain) run(told, life context.Context) {
	if !d.begin(told, life) {
		return
	}
	p := d.cfg.plan(time.Now(), d.ask(life))
	d.adopt(p)
	for left := false; ; {
		switch d.wait(life, p.next(time.Now(), left)) {
		case due:
			if !left {
				close(d.leave)
				left = true
			} else if is, err := d.look(life); err == nil {
				p = p.late(is)
				d.adopt(p)
			}
		case sooner:
			p = d.cfg.sooner(p, time.Now(), d.ask(life))
			d.adopt(p)
		case stopped:
			return
		}
	}
}

// How a wait ends.
type end int

const (
	due end = iota
	sooner
	stopped
)

// begin waits for the signal to leave. It returns false if it was stopped.
func (d *Drain) begin(told, life context.Context) bool {
	for {
		select {
		case <-told.Done():
			return true
		case <-life.Done():
			return false
		case <-d.again:
			d.heard = true
		}
	}
}

// wait waits until it is time, which a zero one never is, or until there is less time than was thought. The hook that comes with
// the signal to leave may be heard after it.
func (d *Drain) wait(life context.Context, next time.Time) end {
	var timeout <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		select {
		case <-timeout:
			return due
		case <-life.Done():
			return stopped
		case <-d.again:
			if d.heard {
				return sooner
			}
			d.heard = true
		}
	}
}

func (d *Drain) adopt(p plan) {
	d.mu.Lock()
	d.until = p.until
	d.mu.Unlock()
	now := time.Now()
	d.cfg.Log.Info("executor drains: nothing new is taken", "experiments_leave_in", max(p.leave.Sub(now), 0).Round(time.Second).String(),
		"ends_in", p.until.Sub(now).Round(time.Second).String(), "because", p.because)
}

// Asking is tried again until patience ends: of the 15 s of a preempted node, the rest is for saving. A request that hangs leaves
// time for another.
const (
	patience = 4 * time.Second
	request  = 1500 * time.Millisecond
	pause    = 250 * time.Millisecond
)

// try finds out in time what would end experiments before theirs: an API server that the pod may not ask, or does not reach.
func (d *Drain) try(ctx context.Context) {
	if d.cfg.Pod == nil {
		return
	}
	if _, err := d.asked(ctx); err != nil && ctx.Err() == nil {
		d.cfg.Log.Error("Kubernetes does not tell this pod whether it is deleted: its experiments will be given back at once when it leaves, "+
			"in a rollout, too. Let its service account patch pods (infra/kubernetes/cluster/account.yaml), and the pod reach the API server", "error", err)
	}
}

// ask returns nil where the pod does not tell.
func (d *Drain) ask(ctx context.Context) *pod.Deletion {
	if d.cfg.Pod == nil {
		return nil
	}
	is, err := d.asked(ctx)
	if err != nil {
		d.cfg.Log.Warn("Kubernetes does not say whether this pod is deleted: experiments are given back at once", "error", err)
		return nil
	}
	return &is
}

// asked asks until the pod tells, or patience ends.
func (d *Drain) asked(ctx context.Context) (pod.Deletion, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		is, err := d.look(ctx)
		if err == nil {
			return is, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return pod.Deletion{}, err
		}
	}
}

// look asks once.
func (d *Drain) look(ctx context.Context) (pod.Deletion, error) {
	ctx, cancel := context.WithTimeout(ctx, request)
	defer cancel()
	return d.cfg.Pod.Deletion(ctx)
}
