package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/drain"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/guard"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/health"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/worker"
)

// platform is what the executor does for the Kubernetes that runs it. Elsewhere it does nothing.
type platform struct {
	state  health.State
	close  func() error
	log    *slog.Logger
	pod    *pod.API // nil where there is none
	teller *pod.Teller
}

// openPlatform answers probes, refuses to be where experiments reach the metadata server, and finds the executor's pod. Whoever
// calls it closes it.
func openPlatform(ctx context.Context, cfg *config) (*platform, error) {
	p := &platform{close: func() error { return nil }, log: cfg.log}
	if cfg.MetadataGuard {
		user := &process.User{UID: cfg.ExperimentUID, GID: cfg.ExperimentUID}
		if err := guard.Check(ctx, guard.Server, user); err != nil {
			return nil, err
		}
	}
	if cfg.PodName != "" {
		api, err := pod.Open(cfg.KubernetesHost, cfg.KubernetesPort, cfg.PodName, pod.Account)
		if err != nil {
			return nil, fmt.Errorf("POD_NAME %s: %w", cfg.PodName, err)
		}
		p.pod, p.teller = api, pod.NewTeller(api, cfg.MaxConcurrent, cfg.log)
	}
	if cfg.HealthAddress != "" {
		stop, err := p.state.Listen(ctx, cfg.HealthAddress)
		if err != nil {
			return nil, fmt.Errorf("HEALTH_ADDRESS: %w", err)
		}
		p.close = stop
	}
	return p, nil
}

// drain is how this executor leaves.
func (p *platform) drain(cfg *config) drain.Config {
	c := drain.Config{Timeout: cfg.DrainTimeout, Saving: cfg.Grace + cfg.SaveTimeout, Hurry: cfg.LeaveTimeout, Log: p.log}
	if p.pod != nil {
		c.Pod = p.pod
	}
	return c
}

// gpus are the machine's cards.
type gpus interface {
	Devices() []device.Device
	Check(ctx context.Context) []*device.Fault
}

// cards fails in a pod whose cards are not all there and well, since requests for all of them come to it. The container of an
// executor that has left for that is started again on the same machine, sooner and then later (CrashLoopBackOff), and serves
// when they are well. Elsewhere, an executor serves with what there is.
func (p *platform) cards(ctx context.Context, cfg *config, cards gpus) error {
	if p.pod == nil {
		return nil
	}
	bad := map[string]bool{}
	var faults error
	for _, fault := range cards.Check(ctx) {
		faults, bad[fault.UUID] = errors.Join(faults, fault), true
	}
	well := 0
	for _, d := range cards.Devices() {
		if !bad[d.UUID] {
			well++
		}
	}
	if well >= cfg.pool.GPUs {
		return nil
	}
	err := errors.Join(fmt.Errorf("serve the pool %s: its pods have %d GPUs, of which this one has %d that are well: it needs another machine", cfg.pool.Name, cfg.pool.GPUs, well), faults)
	p.log.Error("GPU went bad and is taken out of use", "error", err) // as while it serves: the alert is for this message
	return err
}

// serves says that deliveries are taken from now on, until ctx is done.
func (p *platform) serves(ctx context.Context, w *worker.Worker) (stop func() bool) {
	p.state.Serving()
	if p.teller != nil {
		w.Runs = p.teller.Runs
	}
	return context.AfterFunc(ctx, func() {
		p.state.Draining()
		if p.teller != nil {
			p.teller.Draining()
		}
	})
}

// tell keeps the pod up to date until ctx is done.
func (p *platform) tell(ctx context.Context) {
	if p.teller != nil {
		p.teller.Run(ctx)
	}
}

// replace deletes the pod of an executor that leaves because its cards went bad: another takes its place at once, while this one
// still runs what the fault has spared. Where the cluster does not let it, the container ends and is started again where it is.
func (p *platform) replace(ctx, intake context.Context) {
	select {
	case <-intake.Done():
	case <-ctx.Done():
	}
	if p.pod == nil || !errors.Is(context.Cause(intake), worker.ErrUnfit) {
		return
	}
	if err := p.pod.Delete(context.WithoutCancel(ctx)); err != nil {
		p.log.Error("pod of an executor with bad GPUs is not replaced: delete it, and look at its node", "error", err)
	}
}
