package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

func TestTheRefusalOfTheWantedMessageEndsTheWait(t *testing.T) {
	t.Parallel()
	refused := func(id string) event.Event {
		return event.Event{Type: event.Refused, Data: event.Data{MessageID: id, Stage: "bridge", Reason: "no_fit", Detail: "ask for less"}}
	}
	for name, tc := range map[string]struct {
		before, after event.Event // the message is known
		ends          bool
	}{
		"it comes after the message is known":  {after: refused("m1"), ends: true},
		"it comes before the message is known": {before: refused("m1"), ends: true},
		"another message is refused":           {before: refused("m0"), after: refused("m2")},
		"something else happens to it":         {after: event.Event{Type: event.Relayed, Data: event.Data{MessageID: "m1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, refuse := context.WithCancelCause(t.Context())
			defer refuse(nil)
			r := &refusals{refuse: refuse, heard: map[string]event.Data{}}
			r.hear(tc.before)
			r.want("m1")
			r.hear(tc.after)
			var told *refusedError
			if ended := errors.As(context.Cause(ctx), &told); ended != tc.ends {
				t.Fatalf("the wait ended: %t, with %v; want %t", ended, context.Cause(ctx), tc.ends)
			}
			if tc.ends && !strings.Contains(told.Error(), "refused by the bridge, no_fit: ask for less") {
				t.Errorf("it says %q", told)
			}
		})
	}
}
