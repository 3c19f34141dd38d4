package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// DeadLetters keeps what no attempt may run. Its nil means that Pub/Sub has the letter.
type DeadLetters interface {
	DeadLetter(ctx context.Context, d message.DeadLetter) error
}

// maxExtension is how long a delivery's lease is extended: an unacknowledged message is gone after the longest retention
// that a subscription can have (31 days), and experiments may run for weeks.
const maxExtension = 31 * 24 * time.Hour

// Settings makes the subscriber hold at most as many deliveries as there are slots, each for as long as it takes. A lease
// is extended by one lease time at a time, so that a dead executor's deliveries come back within that time.
func (w *Worker) Settings() pubsub.ReceiveSettings {
	lease := min(max(w.Lease, 10*time.Second), 600*time.Second) // the limits of an acknowledgement deadline
	return pubsub.ReceiveSettings{
		MaxExtension: maxExtension, MaxDurationPerAckExtension: lease, MinDurationPerAckExtension: lease,
		MaxOutstandingMessages: w.Slots, MaxOutstandingBytes: -1, NumGoroutines: 1,
	}
}

// Serve receives until ctx is done, or until nothing was in hand for the idle limit, and then until the deliveries in hand are settled: by their end, or by the drain that
// the context of Prepare began. A subscription that is not there, or may not be read, is an error.
func (w *Worker) Serve(ctx context.Context, sub *pubsub.Subscriber, letters DeadLetters) error {
	sub.ReceiveSettings = w.Settings()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	handling := hands{since: w.Now()}
	if w.IdleLimit > 0 {
		go w.leaveIdle(ctx, &handling, leave)
	}
	received := make(chan error, 1)
	go func() {
		received <- sub.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
			handling.add(1, w.Now())
			defer func() { handling.add(-1, w.Now()) }()
			// The delivery outlives the end of the intake: it must still be run, saved and acknowledged.
			w.deliver(context.WithoutCancel(ctx), m, letters)
		})
	}()
	select {
	case err := <-received:
		return receiveError(sub, err)
	case <-ctx.Done():
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for idle := 0; idle < idleSeconds; {
		select {
		case err := <-received:
			return receiveError(sub, err)
		case <-ticker.C:
			if idle++; handling.idle(w.Now()) == 0 {
				idle = 0
			}
		}
	}
	w.Log.Warn("Pub/Sub did not end the intake, leaving without it: nothing is in hand")
	return nil
}

// leaveIdle ends the intake once nothing has been in hand for the idle limit.
func (w *Worker) leaveIdle(ctx context.Context, handling *hands, leave func()) {
	ticker := time.NewTicker(min(w.IdleLimit/10+1, 10*time.Second))
	defer ticker.Stop()
	for handling.idle(w.Now()) < w.IdleLimit {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
	w.Log.Info("executor leaves: there was nothing to do", "limit_idle_duration", w.IdleLimit.String())
	leave()
}

// idleSeconds is how long the client library may take to end the intake once no delivery is in hand. It goes on retrying
// lost acknowledgements for minutes, which must not keep an executor from leaving: such messages come again.
const idleSeconds = 5

func receiveError(sub *pubsub.Subscriber, err error) error {
	if err != nil {
		return fmt.Errorf("receive from %s: %w", sub.String(), err)
	}
	return nil
}

func (w *Worker) deliver(ctx context.Context, m *pubsub.Message, letters DeadLetters) {
	relayed, err := message.FromAttributes(m.Attributes, m.Data)
	disposition := DeadLetter
	if err != nil {
		relayed = message.Relayed{Data: m.Data, MessageID: message.ID(m.Data), Queue: m.Attributes["queue"], Pool: w.Pool.Name}
		err = &admission.Refusal{Reason: admission.Malformed, Detail: "The Pub/Sub message has not the bridge's attributes: " + err.Error(), Err: err}
	} else {
		disposition, err = w.Handle(ctx, relayed)
	}
	log := w.Log.With("queue", relayed.Queue, "message_id", relayed.MessageID, "disposition", disposition.String())
	if disposition == DeadLetter {
		if letterErr := letters.DeadLetter(ctx, letter(relayed, err)); letterErr != nil {
			disposition, err = Return, errors.Join(err, letterErr)
		}
	}
	if err != nil {
		log.Warn("delivery did not run to its end", "error", err)
	}
	result := m.AckWithResult
	if disposition == Return {
		w.cool(ctx, err)
		result = m.NackWithResult
	}
	go confirm(ctx, log, result())
}

// confirmWait is longer than the client library tries to settle a delivery.
const confirmWait = 11 * time.Minute

// confirm logs what became of an acknowledgement. Nobody waits for it: a lost one brings the message again, to an ended record, and
// the library never answers one that it sends while it takes the subscription for one without exactly-once delivery.
func confirm(ctx context.Context, log *slog.Logger, result *pubsub.AckResult) {
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	if status, err := result.Get(ctx); err != nil {
		log.Warn("delivery was not settled for certain and may come again", "status", int(status), "error", err)
	}
}

// returnPause is how long a delivery that failed is held before it goes back: the subscription's retry policy spaces
// deliveries too, but may be changed by its owner, and a failure that repeats at once must not become a loop without a pause.
const returnPause = 5 * time.Second

// cool pauses before a delivery goes back, unless the executor is leaving and others should have it soon.
func (w *Worker) cool(ctx context.Context, err error) {
	if errors.Is(err, errDraining) {
		return
	}
	timer := time.NewTimer(min(returnPause, w.Lease))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.leave:
	case <-ctx.Done():
	}
}

func letter(m message.Relayed, err error) message.DeadLetter {
	d := message.DeadLetter{Relayed: m, Stage: "executor", Reason: string(admission.Malformed)}
	var refusal *admission.Refusal
	if errors.As(err, &refusal) {
		d.Reason, d.Detail = string(refusal.Reason), refusal.Detail
	}
	return d
}
