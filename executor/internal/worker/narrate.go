package worker

import (
	"context"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

// narrator publishes an attempt's events in order without holding the attempt up.
type narrator struct {
	a      *attempt
	events chan event.Event
	done   chan struct{}
}

func narrate(ctx context.Context, a *attempt) *narrator {
	n := &narrator{a: a, events: make(chan event.Event, 16), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for e := range n.events {
			if err := a.w.Events.Publish(ctx, e); err != nil {
				a.log.Warn("event not published", "event_type", string(e.Type), "error", err)
			}
		}
	}()
	return n
}

// say queues an event of now.
func (n *narrator) say(t event.Type, d event.Data) { n.sayAt(n.a.w.Now(), t, d) }

func (n *narrator) sayAt(at time.Time, t event.Type, d event.Data) {
	a := n.a
	d.Experiment, d.Attempt, d.Queue, d.Pool = a.ref.Key, a.claim.Attempt, a.relayed.Queue, a.w.Pool.Name
	d.MessageID, d.Executor = a.relayed.MessageID, a.w.Executor
	n.events <- event.Event{Type: t, Experiment: a.ref.Key, Time: at, Data: d}
}

// close publishes what is queued and ends.
func (n *narrator) close() {
	close(n.events)
	<-n.done
}
