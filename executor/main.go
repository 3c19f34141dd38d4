// Command executor runs StudioML experiments on the machine that it is on: a GKE pod with GPUs, or a Cloud Run job.
//
// It receives relayed requests of one pool from Pub/Sub and lives each one's life to its end (package worker). SIGTERM
// drains it: it takes nothing new and lets what runs finish, for as long as DRAIN_TIMEOUT and the platform allow (package drain);
// what is still running then is saved as it is and given back. A second SIGTERM ends it at once. SIGUSR1 after SIGTERM says
// that there is less time than was thought.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/drain"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/guard"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/worker"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
)

func main() {
	process.LauncherMain() // does not return in a process that is to become an experiment
	guard.ProbeMain()      // nor in one that tries the metadata guard
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)     // a second signal ends the process at once
	again := make(chan os.Signal, 4) // a few may wait while the first is thought about
	signal.Notify(again, syscall.SIGUSR1)
	if err := run(ctx, again, envconfig.OsLookuper(), nvml.New(), pod.Account, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "executor:", err)
		os.Exit(1)
	}
}

// run returns once ctx is done and running experiments have settled, or once the executor's machine is at fault and another takes its
// place. Account is the folder of a pod's account.
func run(ctx context.Context, again <-chan os.Signal, env envconfig.Lookuper, lib nvml.Interface, account string, logs io.Writer) (err error) {
	cfg, err := loadConfig(ctx, env, logs)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	log := cfg.log
	gpus, err := device.Open(lib)
	if err != nil {
		return fmt.Errorf("open GPUs: %w", err)
	}
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var watching sync.WaitGroup
	defer func() {
		unwatch()
		watching.Wait()
		err = errors.Join(err, gpus.Close())
	}()

	outlive := context.WithoutCancel(ctx) // the clients must still save and acknowledge after the signal
	messages, err := pubsub.NewClient(outlive, cfg.Project)
	if err != nil {
		return fmt.Errorf("connect to Pub/Sub: %w", err)
	}
	defer func() { err = errors.Join(err, messages.Close()) }()
	objects, err := storage.NewClient(outlive)
	if err != nil {
		return fmt.Errorf("connect to Cloud Storage: %w", err)
	}
	defer func() { err = errors.Join(err, objects.Close()) }()

	events := messages.Publisher(cfg.EventsTopic)
	events.EnableMessageOrdering = true
	defer events.Stop()
	letters := messages.Publisher(cfg.DeadLetterTopic)
	defer letters.Stop()
	reports := messages.Publisher(cfg.ReportsTopic)
	reports.EnableMessageOrdering = true
	reports.PublishSettings.DelayThreshold = time.Millisecond // a batch has waited already
	reports.PublishSettings.Timeout = 10 * time.Second        // then it is tried again
	defer reports.Stop()

	w := newWorker(cfg, log, gpus.Devices(), objects, events)
	envs := environments(cfg, log)
	w.Environments = envs
	w.Reports = &reporting.Sender{Tenants: cfg.tenants.Tenants, Publisher: message.NewPublisher(reports)}
	if err := seclude(cfg); err != nil {
		return err
	}
	platform, err := openPlatform(ctx, cfg, account)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, platform.close()) }()
	leaving := drain.Start(ctx, again, platform.drain(cfg))
	defer leaving.Stop()
	if err := platform.cards(ctx, cfg, gpus); err != nil {
		platform.giveUp(outlive, leaving.Leave())
		return err
	}
	intake, unfit := context.WithCancelCause(ctx)
	var replacing sync.WaitGroup
	replacing.Go(func() { platform.replace(outlive, intake, leaving.Leave()) })
	defer replacing.Wait()
	defer unfit(nil)
	w.Until, w.Unfit = leaving.Until, platform.unfit(unfit)
	w.Prepare(leaving.Leave())
	defer platform.serves(intake, w)()
	watching.Go(func() { platform.tell(watch) })
	watching.Go(func() { w.WatchGPUs(watch, gpus) })
	watching.Go(func() { w.WatchDisk(watch) })
	watching.Go(func() { envs.Tend(watch, log) })
	watching.Go(func() { cfg.watchFiles(watch) })
	log.Info("executor serves its pool", "slots", w.Slots, "gpus", len(gpus.Devices()), "experiment_uid", cfg.ExperimentUID)
	err = w.Serve(intake, messages.Subscriber(pool.Topic(cfg.pool.Name)), message.NewPublisher(letters))
	if cause := context.Cause(intake); errors.Is(cause, worker.ErrUnfit) {
		err = errors.Join(err, cause)
	}
	return err
}

func newWorker(cfg *config, log *slog.Logger, gpus []device.Device, objects *storage.Client, events *pubsub.Publisher) *worker.Worker {
	return &worker.Worker{
		Config: worker.Config{
			Executor: cfg.Name, Pool: cfg.pool, WorkDir: cfg.WorkDir, FirstUID: cfg.ExperimentUID, Slots: cfg.MaxConcurrent,
			Heartbeat: cfg.Heartbeat, Lease: cfg.Lease, MaxAttempts: cfg.MaxAttempts, AdmissionWait: cfg.AdmissionWait,
			Grace: cfg.Grace, SaveTimeout: cfg.SaveTimeout, IdleLimit: cfg.IdleLimit, LibraryPath: cfg.LibraryPath, MaxUnpacked: cfg.pool.HDD,
			ReportRate: cfg.ReportRate, Whole: cfg.PodName != "",
			DiskReserve: cfg.DiskReserve, CacheDir: cfg.CacheDir, Scratch: scratch(), MemoryEvents: worker.MemoryEvents,
		},
		Policy:    admission.Policy{Tenants: cfg.tenants.Tenants, ClearText: cfg.ClearText, Pools: cfg.pools},
		Keys:      cfg.keys.Keys,
		Records:   record.New(objects, time.Now),
		Stores:    artifact.NewStores(objects, cfg.S3Hosts, cfg.urls),
		Allocator: device.NewAllocator(cfg.pool, gpus),
		Events:    event.New(events, "executor/"+cfg.Name),
		Log:       log, Now: time.Now,
	}
}

func environments(cfg *config, log *slog.Logger) *pyenv.Manager {
	envs := pyenv.Config{Dir: cfg.CacheDir, UV: cfg.UV, Env: cfg.uvEnv, AllowDownload: cfg.DownloadPython, Limit: int64(cfg.CacheLimit)}
	if cfg.ExperimentUID != 0 {
		// Environments are built by a user of their own: neither the executor nor any experiment.
		builder := cfg.ExperimentUID + uint32(cfg.MaxConcurrent) //nolint:gosec // a handful of slots
		envs.User = &process.User{UID: builder, GID: builder}
		envs.Reader = &process.User{UID: cfg.ExperimentUID, GID: cfg.ExperimentUID}
	} else {
		log.Warn("experiments run as the executor's own user: set EXPERIMENT_UID where people submit that you do not know")
	}
	return pyenv.New(envs)
}

// scratch are the folders of a machine that everybody may write to.
func scratch() []string { return []string{"/tmp", "/var/tmp", "/dev/shm"} }

// seclude ends what experiments of an earlier executor left running here, and removes what they left lying. Where experiments
// have no user of their own, it hides this process's memory and environment from them as well as can be.
func seclude(cfg *config) error {
	if cfg.ExperimentUID == 0 {
		if err := process.Conceal(); err != nil {
			return fmt.Errorf("conceal the executor from its experiments: %w", err)
		}
		return nil
	}
	for i := range uint32(cfg.MaxConcurrent) + 1 { //nolint:gosec // a handful of slots, and the user that builds environments
		if err := process.KillUser(cfg.ExperimentUID + i); err != nil {
			return fmt.Errorf("end what user %d left running: %w", cfg.ExperimentUID+i, err)
		}
		if err := worker.Sweep(scratch(), cfg.ExperimentUID+i); err != nil { // a file that stays is no reason not to work
			cfg.log.Warn("not all that earlier experiments left is removed", "uid", cfg.ExperimentUID+i, "error", err)
		}
	}
	return nil
}
