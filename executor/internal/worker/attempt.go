package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/metadata"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/reporter"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// attempt is one claimed try at an experiment.
type attempt struct {
	*experiment
	claim   record.Claim
	grant   *device.Grant // nil for an attempt that runs nothing
	slot    uint32
	log     *slog.Logger
	said    *narrator
	reports *reporter.Reporter // nil where nobody reads them
	folder  *folder
	saved   []*saved // the mutable artifacts that this attempt may write, output not among them
	output  *saved
	out     *outputFile
	doc     *metadata.Document
	docName string
	docSent []byte
	ending  bool // the final output is, or may be, stored
	stored  bool // it is, and whatever comes with it
}

func (x *experiment) attempt(claim record.Claim, grant *device.Grant, slot uint32) *attempt {
	return &attempt{
		experiment: x, claim: claim, grant: grant, slot: slot,
		log: x.log.With("attempt", claim.Attempt, "number", claim.Number),
	}
}

// user is who the attempt's program runs as: nobody where it runs none, since the slot's user is then another attempt's.
func (a *attempt) user() *process.User {
	if a.grant == nil {
		return nil
	}
	return a.w.user(a.slot)
}

// root is where its folder is, or will be.
func (a *attempt) root() string { return attemptRoot(a.w.WorkDir, a.ref.Key, a.claim.Attempt) }

// work is what an attempt does between its claim and its end.
type work func(ctx context.Context) (verdict, error)

// live holds the claim while the work is done, and settles what came of it.
func (a *attempt) live(ctx context.Context, do work) (Disposition, error) {
	a.said = narrate(ctx, a)
	defer a.said.close()
	a.said.say(event.Claimed, event.Data{})
	a.reports = a.report(ctx)
	defer a.reports.Discard() // of what is not said by then
	a.reports.State(report.TaskState_Prestart)
	a.log.Info("experiment claimed")

	lease, lose := context.WithCancelCause(ctx)
	run, stop := context.WithCancelCause(lease)
	a.w.untilLeaving(run, stop)
	defer a.w.running.add(a, stop)()
	kept := a.keep(lease, lose, stop)
	defer func() { stop(nil); lose(nil); <-kept }()
	defer a.tellStop(run)()

	v, err := verdict{}, a.open(run)
	if err == nil {
		a.w.running.opened(a)
		v, err = do(run)
	}
	if err != nil && run.Err() != nil {
		err = errors.Join(context.Cause(run), err)
	}
	a.w.running.settles(a)
	return a.settle(ctx, lease, v, err)
}

// settle decides what the end of the work means. Whatever it does under lease ends when the claim is lost.
func (a *attempt) settle(ctx, lease context.Context, v verdict, err error) (_ Disposition, failed error) {
	keepFolder := false
	defer func() { failed = errors.Join(failed, a.close(keepFolder)) }()
	if lease.Err() != nil {
		a.reports.Discard()
		a.log.Warn("claim lost, leaving the experiment alone", "error", context.Cause(lease))
		return Return, context.Cause(lease)
	}
	v, err = a.judge(v, err)
	if err == nil {
		if err = a.finish(lease, v); err == nil {
			return Acknowledge, nil
		}
		keepFolder = a.folder != nil && !a.stored // the next delivery needs nothing of it to report the end
	}
	var refused *Fault
	if a.output == nil && errors.As(err, &refused) { // even the output may not be written: the record alone can say so
		return a.refuseOutput(lease, refused)
	}
	return a.giveUp(ctx, lease, err)
}

// judge turns an error that is an end of the experiment into a verdict; what it leaves ends only this attempt.
func (a *attempt) judge(v verdict, err error) (verdict, error) {
	var fault *Fault
	switch {
	case err == nil:
		return v, nil
	case a.output == nil: // nothing can be written about it
		return v, err
	case errors.Is(err, errStopped):
		a.sayStopping(errStopped)
		return verdict{outcome: Stopped, exitCode: v.exitCode, reason: "The experiment was stopped, as was asked."}, nil
	case errors.Is(err, errTimedOut):
		a.sayStopping(errTimedOut)
		return verdict{outcome: TimedOut, exitCode: v.exitCode, reason: a.timeUp()}, nil
	case errors.Is(err, errDraining), errors.Is(err, errSuperseded), errors.Is(err, errLeaseLost):
		return v, err
	case errors.As(err, &fault):
		return verdict{outcome: fault.Outcome, exitCode: v.exitCode, reason: fault.Sentence}, nil
	default:
		return v, err
	}
}

func (a *attempt) timeUp() string {
	limits := ""
	if d := a.req.Experiment.MaxDuration; d > 0 {
		limits = fmt.Sprintf(" max_duration is %s.", d)
	}
	if d := a.req.Config.ExperimentLifetime; d > 0 {
		limits += fmt.Sprintf(" Its lifetime, counted from submission, is %s.", d)
	}
	return "The experiment used up its time and was ended." + limits + " What it had written is saved; submit it again with a longer limit if it needs one."
}

// giveUp ends the attempt but not the experiment: what can be saved is saved, and the next attempt need not wait.
func (a *attempt) giveUp(ctx, lease context.Context, err error) (Disposition, error) {
	if a.ending {
		return Return, errors.Join(a.leave(ctx, err), a.reportParting(ctx, err))
	}
	outcome, line := record.Infrastructure, failedHere
	if errors.Is(err, errDraining) {
		outcome, line = record.Drained, leavingHere
	}
	if !errors.Is(err, record.ErrSuperseded) {
		a.reports.Stopping(line)
	}
	if a.out != nil {
		a.out.Say("%s", line)
		limited, cancel := context.WithTimeout(lease, min(a.w.SaveTimeout, a.w.parting(err)))
		defer cancel()
		if saveErr := a.checkpoint(limited); saveErr != nil {
			err = errors.Join(err, fmt.Errorf("save what there is: %w", saveErr))
		}
	}
	if releaseErr := a.release(ctx, outcome); releaseErr != nil {
		err = errors.Join(err, releaseErr)
	}
	if reportErr := a.reportParting(ctx, err); reportErr != nil {
		err = errors.Join(err, reportErr)
	}
	return Return, fmt.Errorf("attempt %d at %s: %w", a.claim.Number, a.ref.Key, err)
}

// leave ends an attempt whose final output may be stored. If it is, the attempt has finished the experiment: finalize
// must still find it holding the record, and the next delivery completes what comes after. If that is not known, its
// lease runs out by itself and the next delivery looks again.
func (a *attempt) leave(ctx context.Context, err error) error {
	err = fmt.Errorf("finish %s: %w", a.ref.Key, err)
	look, cancel := context.WithTimeout(ctx, partingTimeout)
	defer cancel()
	info, lookErr := a.output.store.Attrs(look, a.output.object)
	if errors.Is(lookErr, artifact.ErrNotExist) {
		lookErr = nil
	}
	if lookErr != nil || a.isFinal(info) {
		return errors.Join(err, lookErr)
	}
	return errors.Join(err, a.release(ctx, record.Infrastructure))
}

// release gives the claim back, if storage takes that soon; else its lease runs out.
func (a *attempt) release(ctx context.Context, outcome string) error {
	ctx, cancel := context.WithTimeout(ctx, partingTimeout)
	defer cancel()
	return a.w.Records.Release(ctx, a.claim, outcome)
}

func (a *attempt) isFinal(info artifact.Info) bool {
	return info.Metadata[record.MetaAttempt] == a.claim.Attempt && info.Metadata[record.MetaState] == record.StateFinal
}

// refuseOutput ends an experiment whose output may not be written where its request says.
func (a *attempt) refuseOutput(ctx context.Context, f *Fault) (Disposition, error) {
	err := a.w.Records.End(ctx, a.ref, record.Ending{
		Attempt: a.claim.Attempt, Outcome: string(f.Outcome), Reason: f.Sentence, At: a.w.Now(),
	})
	if err != nil {
		return Return, fmt.Errorf("record the end of %s: %w", a.ref.Key, err)
	}
	if err := a.reportEnd(ctx, a.w.Now(), verdict{outcome: f.Outcome, reason: f.Sentence}); err != nil {
		return Return, err
	}
	a.log.Info("experiment refused", "error", f)
	return Acknowledge, nil
}

// keep renews the claim every heartbeat until lease ends, and cancels what must not go on. The channel closes after the
// last heartbeat.
func (a *attempt) keep(lease context.Context, lose, stop context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(a.w.Heartbeat)
		defer ticker.Stop()
		renewed := a.w.Now()
		for {
			select {
			case <-lease.Done():
				return
			case <-ticker.C:
			}
			began := a.w.Now()
			beat, err := a.heartbeat(lease)
			switch {
			case lease.Err() != nil: // the attempt has ended meanwhile
			case errors.Is(err, record.ErrSuperseded):
				lose(errSuperseded)
			case err != nil && a.w.Now().Sub(renewed)+a.w.Heartbeat >= a.w.Lease: // before others may take it
				lose(errors.Join(errLeaseLost, err))
			case err != nil:
				a.log.Warn("heartbeat failed, trying again", "error", err)
			default:
				renewed = began
				if beat.Stopped || a.stopAsked(lease) {
					stop(errStopped)
				}
			}
		}
	}()
	return done
}

func (a *attempt) heartbeat(ctx context.Context) (record.Beat, error) {
	ctx, cancel := context.WithTimeout(ctx, a.w.Heartbeat)
	defer cancel()
	return a.w.Records.Heartbeat(ctx, a.claim)
}
