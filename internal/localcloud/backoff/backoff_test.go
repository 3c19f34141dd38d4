package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/backoff"
)

func TestPausesDoubleUpToTheLongestAndStartAgainAfterReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := backoff.Backoff{Min: time.Second, Max: 5 * time.Second}
		for i, want := range []time.Duration{1, 2, 4, 5, 5, 1} {
			if i == 5 {
				b.Reset()
			}
			began := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != want*time.Second {
				t.Errorf("pause %d = %s; want %s", i, got, want*time.Second)
			}
		}
	})
}

func TestPauseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	b := backoff.Backoff{Min: time.Hour, Max: time.Hour}
	if err := b.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("Wait = %v; want the cause", err)
	}
}
