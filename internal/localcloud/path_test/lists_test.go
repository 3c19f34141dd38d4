//go:build integration

package path_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// The files reach the bridge and the executors at different times.
func TestATenantAndAKeyThatTheBridgeKnowsFirstLoseNothing(t *testing.T) {
	t.Parallel()
	s := &teams{reader: newKey(t), lab: newSigningKey(t)}
	next, late := newSigningKey(t), newSigningKey(t)
	bridge, executors := filepath.Join(t.TempDir(), "tenants.json"), filepath.Join(t.TempDir(), "tenants.json")
	all := []map[string]any{s.entry("rmq_lab", s.lab, next), s.entry("rmq_late", late), s.entry("rmq_first", late)}
	s.write(t, bridge, all...)
	s.write(t, executors, s.entry("rmq_lab", s.lab), s.entry("rmq_first"))
	s.start(t, bridge, executors)
	letters := s.deadLetters(t)

	var keys []string
	for queue, sign := range map[string]envelope.SigningKey{"rmq_late_1": late, "rmq_lab_rotated": next, "rmq_first_key": late} {
		sub := submission(t, queue, once)
		sub.Queue, sub.Seal = queue, &client.Seal{To: s.request, Sign: sign}
		submitted := s.submit(t, sub)
		keys = append(keys, submitted.Key)
		eventually(t, func(context.Context) (bool, string) {
			return s.logged(t, "executor-local-cpu", "wait for the tenants, keys and pools", queue), "the executor does not wait for its list of tenants to know " + queue
		})
	}
	for _, key := range keys {
		if e, err := s.Experiment(t.Context(), key); err != nil || e.Status != "waiting" || e.Attempts != 0 {
			t.Errorf("%s is %+v, %v; want that nothing of it has run", key, e, err)
		}
	}
	s.completed(t, s.good(t, "rmq_lab_old").Key) // others' work goes on

	s.write(t, executors, all...)
	s.expectOneRunEach(t, keys)
	select {
	case l := <-letters:
		t.Errorf("a dead letter: %s, %s", l.Reason, l.Detail)
	default:
	}
}
