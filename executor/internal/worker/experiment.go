package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/preflight"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// experiment is one delivery of a request that may run.
type experiment struct {
	w       *Worker
	relayed message.Relayed
	req     *request.Request
	tenant  tenant.Tenant
	ref     record.Ref
	log     *slog.Logger
}

// live takes the experiment from its delivery to its disposition.
func (x *experiment) live(ctx context.Context) (Disposition, error) {
	if attempt, err := x.ended(ctx); err != nil {
		return Return, err
	} else if attempt != "" { // nothing is left to run, so it waits for no resources
		return x.complete(ctx, attempt)
	}
	if fault := x.plan().Expired(x.w.Now()); fault != nil {
		claim, err := x.claim(ctx)
		if err != nil {
			return x.unclaimed(ctx, err)
		}
		return x.attempt(claim, nil, 0).live(ctx, func(context.Context) (verdict, error) {
			return verdict{outcome: fault.Outcome, reason: fault.Sentence}, nil
		})
	}
	slot := <-x.w.slots
	defer func() { x.w.slots <- slot }()
	grant, claim, err := x.acquire(ctx)
	if err != nil {
		return x.unclaimed(ctx, err)
	}
	defer grant.Release()
	defer x.w.runs()()
	a := x.attempt(claim, grant, slot)
	return a.live(ctx, a.work)
}

// acquire waits for the resources and then claims, so that a record says `running` only when it is about to. A claim that
// another live attempt holds is waited for without holding resources, for as long as two leases.
func (x *experiment) acquire(ctx context.Context) (*device.Grant, record.Claim, error) {
	until := x.w.Now().Add(2 * x.w.Lease)
	for {
		grant, err := x.grant(ctx)
		if err != nil {
			return nil, record.Claim{}, err
		}
		claim, err := x.claim(ctx)
		if err == nil {
			return grant, claim, nil
		}
		grant.Release()
		var held *record.HeldError
		if !errors.As(err, &held) || x.w.Now().After(until) {
			return nil, record.Claim{}, err
		}
		x.log.Info("experiment is held by another attempt", "attempt", held.Attempt, "executor", held.Executor, "until", held.Until)
		if err := x.pause(ctx, min(x.w.Heartbeat, max(held.Until.Sub(x.w.Now()), x.w.Heartbeat/10))); err != nil {
			return nil, record.Claim{}, err
		}
	}
}

func (x *experiment) grant(ctx context.Context) (*device.Grant, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	x.w.untilLeaving(ctx, stop)
	ctx, cancel := context.WithTimeout(ctx, x.w.AdmissionWait)
	defer cancel()
	grant, err := x.w.Allocator.Acquire(ctx, x.req.Experiment.Resources)
	if err != nil {
		return nil, fmt.Errorf("wait for resources for %s: %w", x.ref.Key, err)
	}
	return grant, nil
}

// soon bounds what is asked of the record before the claim: a storage that does not answer must keep neither the slot
// for ever nor an executor from leaving.
func (x *experiment) soon(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	x.w.untilLeaving(ctx, stop)
	ctx, cancel := context.WithTimeout(ctx, x.w.Lease)
	return ctx, func() { cancel(); stop(nil) }
}

// claim fails with a [record.EndedError], too, where another attempt has saved its final output while this delivery waited: a
// finalize that is late must not let the experiment run again once that attempt's lease is over.
func (x *experiment) claim(ctx context.Context) (record.Claim, error) {
	ctx, cancel := x.soon(ctx)
	defer cancel()
	if attempt, err := x.endedUnrecorded(ctx); err != nil {
		return record.Claim{}, err
	} else if attempt != "" {
		return record.Claim{}, &record.EndedError{Attempt: attempt}
	}
	return x.w.Records.Claim(ctx, x.ref, record.Claimant{
		Executor: x.w.Executor, Pool: x.w.Pool.Name, Initial: x.req.Experiment.Raw,
		MaxAttempts: x.w.MaxAttempts, LeaseTTL: x.w.Lease,
	})
}

// pause waits, but not beyond the executor's own life.
func (x *experiment) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-x.w.leave:
		return errDraining
	}
}

// unclaimed says what becomes of a delivery whose experiment was not claimed.
func (x *experiment) unclaimed(ctx context.Context, err error) (Disposition, error) {
	var ended *record.EndedError
	var exhausted *record.ExhaustedError
	switch {
	case errors.As(err, &ended):
		return x.complete(ctx, ended.Attempt)
	case errors.Is(err, record.ErrStopped):
		fault := preflight.StoppedBefore(err)
		return x.record(ctx, Acknowledge, verdict{outcome: fault.Outcome, reason: fault.Sentence})
	case errors.As(err, &exhausted):
		return x.lost(ctx, exhausted)
	case errors.Is(err, device.ErrNeverFits):
		return x.w.refuse(ctx, x.relayed, &x.ref, &admission.Refusal{
			Reason: admission.NoFit, Report: true, Err: err,
			Detail: fmt.Sprintf("No executor of the pool %s can hold what resources_needed asks: %v. Ask for less, or for a pool that has it.", x.w.Pool.Name, err),
		})
	default:
		return Return, err
	}
}

// lost ends an experiment whose attempts are used up, and keeps its message with the dead letters.
func (x *experiment) lost(ctx context.Context, exhausted *record.ExhaustedError) (Disposition, error) {
	reason := fmt.Sprintf("The infrastructure failed this experiment %d times, and it is not tried again. What was saved is in its artifacts. "+
		"Submit it once more; if it is lost again, tell the people who look after the cluster its key.", exhausted.Attempts)
	if d, err := x.record(ctx, DeadLetter, verdict{outcome: Lost, reason: reason}); err != nil {
		return d, err
	}
	return DeadLetter, &admission.Refusal{Reason: admission.AttemptsExhausted, Detail: reason, Report: true, Err: exhausted}
}

// record writes an ending that has no output.tar.
func (x *experiment) record(ctx context.Context, d Disposition, v verdict) (Disposition, error) {
	err := x.w.Records.End(ctx, x.ref, record.Ending{
		Outcome: string(v.outcome), Reason: v.reason, ExitCode: v.exitCode, At: x.w.Now(), Initial: x.req.Experiment.Raw, LeaseTTL: x.w.Lease,
	})
	if err != nil {
		return Return, fmt.Errorf("record the end of %s: %w", x.ref.Key, err)
	}
	if err := x.w.reportEnd(ctx, x.subject(x.relayed.MessageID), v); err != nil {
		return Return, err
	}
	x.log.Info("experiment ended without an attempt", "outcome", string(v.outcome))
	return d, nil
}

// ended is endedUnrecorded for as long as a storage that does not answer may take.
func (x *experiment) ended(ctx context.Context) (attempt string, err error) {
	ctx, cancel := x.soon(ctx)
	defer cancel()
	return x.endedUnrecorded(ctx)
}

// endedUnrecorded names the record's attempt if that has saved its final output already, while the record does not say
// so yet: its executor died before it acknowledged, and finalize is still on its way.
func (x *experiment) endedUnrecorded(ctx context.Context) (attempt string, err error) {
	rec, err := x.w.Records.Read(ctx, x.ref)
	if errors.Is(err, record.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the record of %s: %w", x.ref.Key, err)
	}
	attempt = rec.Cloud().Attempt
	if attempt == "" || rec.Status() != record.Running && rec.Status() != record.Stopped {
		return "", nil
	}
	object, store, err := x.plan().Output()
	if err != nil {
		return "", nil //nolint:nilerr // an output that may not be written says nothing; the attempt will refuse it
	}
	info, err := store.Attrs(ctx, object)
	if errors.Is(err, artifact.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the output of %s: %w", x.ref.Key, err)
	}
	if info.Metadata[record.MetaState] != record.StateFinal || info.Metadata[record.MetaAttempt] != attempt {
		return "", nil
	}
	return attempt, nil
}

func (x *experiment) lifetimeEnds() (time.Time, bool) { return x.plan().LifetimeEnds() }
