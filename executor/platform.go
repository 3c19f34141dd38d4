package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

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
	pod    own // nil where there is none
	teller *pod.Teller
}

// own is the executor's pod.
type own interface {
	drain.Pod
	Delete(ctx context.Context, log *slog.Logger) error
}

// openPlatform answers probes, refuses to be where experiments reach the metadata server, and finds the executor's pod by the folder
// of its account. Whoever calls it closes it.
func openPlatform(ctx context.Context, cfg *config, account string) (*platform, error) {
	p := &platform{close: func() error { return nil }, log: cfg.log}
	if cfg.MetadataGuard {
		user := &process.User{UID: cfg.ExperimentUID, GID: cfg.ExperimentUID}
		if err := guard.Check(ctx, guard.Server, user); err != nil {
			return nil, err
		}
	}
	if cfg.PodName != "" {
		api, err := pod.Open(cfg.KubernetesHost, cfg.KubernetesPort, cfg.PodName, account)
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

// cards fails in a pod whose cards are not all there and well, those that it lends: requests for all of them come to it. Elsewhere,
// an executor serves with what there is.
func (p *platform) cards(ctx context.Context, cfg *config, cards gpus) error {
	if p.pod == nil {
		return nil
	}
	bad := map[string]*device.Fault{}
	for _, fault := range cards.Check(ctx) {
		bad[fault.UUID] = fault
	}
	well := 0
	var faults error
	for _, d := range device.Lent(cfg.pool, cards.Devices()) {
		if fault := bad[d.UUID]; fault != nil {
			faults = errors.Join(faults, fault)
		} else {
			well++
		}
	}
	if well == cfg.pool.GPUs {
		return nil
	}
	err := errors.Join(fmt.Errorf("serve the pool %s: its pods have %d GPUs, of which this one has %d that are well: it needs another machine", cfg.pool.Name, cfg.pool.GPUs, well), faults)
	p.log.Error("GPU went bad and is taken out of use", "error", err) // as while it serves: the alert is for this message
	return err
}

// unfit is what a worker calls whose machine is at fault: nil, so that it stays, where no other would take its place.
func (p *platform) unfit(end context.CancelCauseFunc) func() {
	if p.pod == nil {
		return nil
	}
	return func() { end(worker.ErrUnfit) }
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

// replace waits for the end of the intake, and gives the machine up where that is at fault: another pod takes the place of this one,
// while it still runs what the fault has spared.
func (p *platform) replace(ctx, intake context.Context, leave <-chan struct{}) {
	<-intake.Done()
	if errors.Is(context.Cause(intake), worker.ErrUnfit) {
		p.giveUp(ctx, leave)
	}
}

// lingering is longer than a node with GPUs takes to be had, mostly 3 to 6 minutes.
const lingering = 15 * time.Minute

// giveUp deletes the pod, and keeps its cards until another pod has others, or it must leave. A pod that ended at once would set
// its cards free within seconds, and its successor be put on them. As long as it is there, the successor goes to another node, and
// the autoscaler takes this one away afterwards. Nobody minds that it does nothing meanwhile: of a pod that is deleted, the kubelet
// does not probe whether it lives or has started (StopLivenessAndStartup in SyncTerminatingPod, and worker.doProbe in its prober).
//
// Where the cluster does not let it be deleted, the container ends and is started again where it is, sooner and then later
// (CrashLoopBackOff), and serves when its cards are well.
func (p *platform) giveUp(ctx context.Context, leave <-chan struct{}) {
	if p.pod == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-leave:
		case <-ctx.Done():
		}
	}()
	if err := p.pod.Delete(ctx, p.log); err != nil {
		p.log.Error("pod of an executor whose machine is at fault is not replaced: delete it, and look at its node", "error", err)
		return
	}
	p.log.Info("pod is deleted, and keeps its machine until its successor has another", "for", lingering.String())
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
