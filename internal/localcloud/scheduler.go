package localcloud

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/backoff"
)

// quickAnswer is what a call that relays anything, or waits for something to relay, does not take less than.
const quickAnswer = time.Second

// A scheduler calls Relay as Cloud Scheduler does, only with no minute between two calls.
type scheduler struct {
	url    string
	client *http.Client
	log    *slog.Logger
}

// run calls until ctx is done. After failures, and after calls that came back at once, it pauses.
func (s *scheduler) run(ctx context.Context) {
	pause := backoff.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	for ctx.Err() == nil {
		began := time.Now()
		err := s.call(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Warn("relay was not called or failed", "error", err)
		}
		if err == nil && time.Since(began) >= quickAnswer {
			pause.Reset()
			continue
		}
		_ = pause.Wait(ctx) // ends the loop too
	}
}

func (s *scheduler) call(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, http.NoBody)
	if err != nil {
		return fmt.Errorf("call relay: %w", err)
	}
	req.Header.Set("User-Agent", "Google-Cloud-Scheduler")
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("call relay: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // nothing depends on it
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("call relay: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("call relay: it answered %s", res.Status)
	}
	return nil
}
