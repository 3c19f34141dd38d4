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

	mu    sync.Mutex
	until time.Time
}

// Start waits for told to end, and for what comes from again. Whoever calls it calls [Drain.Stop].
func Start(told context.Context, again <-chan os.Signal, cfg Config) *Drain {
	life, stop := context.WithCancel(context.WithoutCancel(told))
	d := &Drain{cfg: cfg, again: again, leave: make(chan struct{}), stop: stop}
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

func (d *Drain) run(told, life context.Context) {
	announced, ok := d.begin(told, life)
	if !ok {
		return
	}
	p := d.cfg.plan(time.Now(), d.ask(life))
	for {
		d.adopt(p)
		switch d.wait(life, p.leave, announced) {
		case due:
			close(d.leave)
			return
		case sooner:
			announced = true
			p = d.cfg.sooner(p, time.Now(), d.ask(life))
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

// begin waits for the signal to leave. It tells whether the hook that comes with it has run, and false if it was stopped.
func (d *Drain) begin(told, life context.Context) (announced, ok bool) {
	for {
		select {
		case <-told.Done():
			return announced, true
		case <-life.Done():
			return announced, false
		case <-d.again:
			announced = true
		}
	}
}

// wait waits until it is time, or until there is less time than was thought. The hook that comes with the signal to leave may
// be heard after it.
func (d *Drain) wait(life context.Context, leave time.Time, announced bool) end {
	timer := time.NewTimer(time.Until(leave))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return due
		case <-life.Done():
			return stopped
		case <-d.again:
			if announced {
				return sooner
			}
			announced = true
		}
	}
}

func (d *Drain) adopt(p plan) {
	d.mu.Lock()
	d.until = p.until
	d.mu.Unlock()
	d.cfg.Log.Info("executor drains: nothing new is taken", "experiments_leave_in", time.Until(p.leave).Round(time.Second).String(), "because", p.because)
}

// Asking is tried again until patience ends: of the 15 s of a preempted node, the rest is for saving.
const (
	patience = 4 * time.Second
	pause    = 500 * time.Millisecond
)

// ask returns nil where the pod does not tell.
func (d *Drain) ask(ctx context.Context) *pod.Deletion {
	if d.cfg.Pod == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		deletion, err := d.cfg.Pod.Deletion(ctx)
		if err == nil {
			return &deletion
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			d.cfg.Log.Warn("Kubernetes does not say whether this pod is deleted: experiments are given back at once", "error", err)
			return nil
		}
	}
}
