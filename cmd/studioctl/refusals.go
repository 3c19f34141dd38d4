package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

// refusedError says that a message was refused, and in whose words.
type refusedError struct{ event.Data }

func (e *refusedError) Error() string {
	return fmt.Sprintf("refused by the %s, %s: %s", e.Stage, e.Reason, e.Detail)
}

// refusals waits for the refusal of one message. The bridge cannot write records, so that a follower would wait for ever.
type refusals struct {
	refuse context.CancelCauseFunc

	mu     sync.Mutex
	wanted string
	heard  map[string]event.Data // by message id, until the wanted one is known
}

// hear takes an event.
func (r *refusals) hear(e event.Event) {
	if e.Type != event.Refused {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard[e.Data.MessageID] = e.Data
	r.decide()
}

// want names the message, which may have been refused already.
func (r *refusals) want(messageID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = messageID
	r.decide()
}

func (r *refusals) decide() {
	if data, ok := r.heard[r.wanted]; ok && r.wanted != "" {
		r.refuse(&refusedError{data})
	}
}

// watchRefusals listens until stop is called; it returns once no refusal can be missed. The context that it returns ends with
// a [refusedError] when the wanted message is refused. Where events cannot be read, it says so and hears nothing.
func (a *app) watchRefusals(ctx context.Context, state target) (_ context.Context, r *refusals, stop func()) {
	following, refuse := context.WithCancelCause(ctx)
	r = &refusals{refuse: refuse, heard: map[string]event.Data{}}
	listening, cancel := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := state.Watch(listening, state.EventsTopic, func() { close(ready) }, r.hear)
		if err != nil && listening.Err() == nil {
			a.tell("A refusal would not be seen here, for the events cannot be read: %v", err)
		}
	}()
	select {
	case <-ready:
	case <-done:
	}
	return following, r, func() { cancel(); <-done; refuse(nil) }
}
