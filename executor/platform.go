package main

import (
	"context"
	"fmt"

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
	teller *pod.Teller
}

// openPlatform answers probes, refuses to be where experiments reach the metadata server, and finds the executor's pod. Whoever
// calls it closes it.
func openPlatform(ctx context.Context, cfg *config) (*platform, error) {
	p := &platform{close: func() error { return nil }}
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
		p.teller = pod.NewTeller(api, cfg.MaxConcurrent, cfg.log)
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
