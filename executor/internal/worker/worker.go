package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Config is what an executor's operator decides about its experiments.
type Config struct {
	Executor      string        // the name of this executor, as records and events show it
	Pool          pool.Pool     // the pool it serves
	WorkDir       string        // where experiments have their folders; its own, on a disk with room for them
	FirstUID      uint32        // experiments run as FirstUID+slot; 0 means as the executor's own user
	Slots         int           // experiments that may be held at once
	Heartbeat     time.Duration // how often the claim is renewed and the stop request read
	Lease         time.Duration // how long a claim outlives its last heartbeat
	MaxAttempts   int           // attempts before an experiment is lost
	AdmissionWait time.Duration // how long a delivery waits for free resources before it goes back to the others
	Grace         time.Duration // between SIGTERM and SIGKILL for a program
	SaveTimeout   time.Duration // how long the saving of results is tried
	IdleLimit     time.Duration // after how long with nothing in hand the executor leaves; 0 means never
	MaxUnpacked   int64         // bytes that one artifact may unpack to
	LibraryPath   string        // LD_LIBRARY_PATH of experiments: where the image keeps the GPU libraries
	ReportRate    int           // lines of output a second that are reported of an experiment
	DiskReserve   int           // percent of a disk that must stay free; 0 means that nobody looks
	CacheDir      string        // where Environments are; empty where that is another's disk
	Scratch       []string      // folders beside WorkDir in which everybody may write
	MemoryEvents  string        // a file as MemoryEvents is; empty where there is none
	Whole         bool          // the machine is a pod, that another can take the place of: the executor leaves once its machine is at fault
}

// Environments builds Python environments, or finds them built.
type Environments interface {
	Ensure(ctx context.Context, spec pyenv.Spec) (pyenv.Environment, error)
	// Relieve removes what nobody uses until there is enough room, and tells how much it removed.
	Relieve(ctx context.Context, enough func() bool) (removed int, err error)
}

// Events takes what happened, for downstream tools.
type Events interface {
	Publish(ctx context.Context, e event.Event) error
}

// Worker runs experiments. Make it with New; it keeps no state but the slots and the cards in use.
type Worker struct {
	Config
	Policy       admission.Policy
	Keys         func() []*envelope.PrivateKey // those that open sealed requests, as they are now
	Records      *record.Store
	Stores       *artifact.Stores
	Environments Environments
	Allocator    *device.Allocator
	Events       Events
	Reports      *reporting.Sender // nil for none
	Runs         func(change int)  // if set, told of each experiment that begins (1) or ends (-1) to run; must not block
	Until        func() time.Time  // if set, when the platform ends an executor that leaves; zero where that is not known
	Unfit        func()            // if set, called when the cards that are left or the disk do not do, perhaps again; nothing new must be taken then
	Log          *slog.Logger
	Now          func() time.Time

	slots   chan uint32
	running attempts
	disks   diskWatch
	leave   <-chan struct{}                // closes when the executor leaves
	statfs  func(dir string) (disk, error) // instead of the system's, in tests
}

// Prepare makes the worker ready. Once leave closes, running experiments are saved as they are and given back.
func (w *Worker) Prepare(leave <-chan struct{}) {
	w.leave = leave
	w.slots = make(chan uint32, w.Slots)
	for i := range uint32(w.Slots) { //nolint:gosec // a handful of slots
		w.slots <- i
	}
}

// runs says that an experiment runs until ended is called.
func (w *Worker) runs() (ended func()) {
	if w.Runs == nil {
		return func() {}
	}
	w.Runs(1)
	return func() { w.Runs(-1) }
}

// Handle lives the life of one delivery. The error says why a delivery was not simply run and acknowledged; it is
// an *admission.Refusal where the disposition is DeadLetter.
func (w *Worker) Handle(ctx context.Context, m message.Relayed) (Disposition, error) {
	log := w.Log.With("queue", m.Queue, "message_id", m.MessageID)
	decision, err := w.Policy.Decide(m.Queue, m.Data)
	if err != nil {
		return w.refuseRelayed(ctx, m, err)
	}
	req := decision.Request
	if decision.Kind == admission.Sealed {
		if req, err = w.Policy.Open(decision, w.Keys()); err != nil {
			return w.refuseOpened(ctx, m, decision.Tenant, req, err)
		}
	}
	x := &experiment{
		w: w, relayed: m, req: req, tenant: decision.Tenant,
		ref: record.Ref{Bucket: req.Config.Database.Bucket, Key: req.Experiment.Key},
		log: log.With("experiment", req.Experiment.Key),
	}
	return x.live(ctx)
}

// policyLag is how long a change of tenants, keys or pools may take to reach all programs, in whichever order: Kubernetes updates a
// mount within about a minute, programs read it within 10 s, and who changes the one place may change the other only then.
const policyLag = 10 * time.Minute

// refuseRelayed refuses what the bridge, which asked the same question, has let pass. Where the answer is the policy's and the message
// was relayed just now, the executor's policy may be the older one: the delivery goes back with the usual pause, and comes again until
// the executor lets it pass, too, or the time is over. Nothing of it runs before.
func (w *Worker) refuseRelayed(ctx context.Context, m message.Relayed, err error) (Disposition, error) {
	var refusal *admission.Refusal
	if errors.As(err, &refusal) && refusal.Policy && w.Now().Sub(m.RelayedAt).Abs() < policyLag {
		return Return, fmt.Errorf("wait for the tenants, keys and pools by which the bridge has let message %s pass: %w", m.MessageID, err)
	}
	return w.refuse(ctx, m, nil, err)
}

// refuseOpened refuses a sealed request of which req could be read, or nothing if it is nil. Its record is ended where it is the
// tenant's, but not for the header: nobody has signed that, and whoever repeats a message under another one must not end its experiment.
func (w *Worker) refuseOpened(ctx context.Context, m message.Relayed, t tenant.Tenant, req *request.Request, err error) (Disposition, error) {
	if req == nil {
		return w.refuse(ctx, m, nil, err)
	}
	m.Experiment = req.Experiment.Key
	var refusal *admission.Refusal
	if errors.As(err, &refusal) && refusal.Reason == admission.HeaderMismatch || req.Config.Database.Bucket != t.Metadata {
		return w.refuse(ctx, m, nil, err)
	}
	return w.refuse(ctx, m, &record.Ref{Bucket: t.Metadata, Key: req.Experiment.Key}, err)
}

// refuse ends a delivery that no attempt may run: its record says so where it is known, and the dead letters keep it.
func (w *Worker) refuse(ctx context.Context, m message.Relayed, ref *record.Ref, err error) (Disposition, error) {
	var refusal *admission.Refusal
	if !errors.As(err, &refusal) {
		return Return, fmt.Errorf("decide on message %s: %w", m.MessageID, err)
	}
	subject := m.Experiment
	if ref != nil {
		subject = ref.Key
		ending := record.Ending{Outcome: string(Refused), Reason: refusal.Detail, At: w.Now()}
		if err := w.Records.End(ctx, *ref, ending); err != nil {
			return Return, fmt.Errorf("record the refusal of %s: %w", ref.Key, err)
		}
	}
	if refusal.Report {
		if err := w.reportEnd(ctx, w.subject(m, subject, m.MessageID), verdict{outcome: Refused, reason: refusal.Detail}); err != nil {
			return Return, err
		}
	}
	e := event.Event{
		Type: event.Refused, Experiment: subject, Time: w.Now(),
		Data: event.Data{
			Queue: m.Queue, Pool: w.Pool.Name, MessageID: m.MessageID, Executor: w.Executor,
			Stage: "executor", Kind: m.Kind, Reason: string(refusal.Reason), Detail: refusal.Detail,
		},
	}
	if err := w.Events.Publish(ctx, e); err != nil {
		w.Log.Warn("refused event not published", "message_id", m.MessageID, "error", err)
	}
	return DeadLetter, refusal
}

// untilLeaving stops what runs under ctx when the executor leaves.
func (w *Worker) untilLeaving(ctx context.Context, stop context.CancelCauseFunc) {
	go func() {
		select {
		case <-w.leave:
			stop(errDraining)
		case <-ctx.Done():
		}
	}()
}

// user is who the experiment in a slot runs as; nil where experiments run as the executor's own user.
func (w *Worker) user(slot uint32) *process.User {
	if w.FirstUID == 0 {
		return nil
	}
	return &process.User{UID: w.FirstUID + slot, GID: w.FirstUID + slot}
}
