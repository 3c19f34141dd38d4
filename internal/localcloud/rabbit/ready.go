package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/child"
)

// readyWait bounds a start. Five seconds are usual; a machine under load takes several times that.
const readyWait = 2 * time.Minute

const readyPoll = 50 * time.Millisecond

var errNotReady = errors.New("not ready")

// waitReady returns when the broker answers on both ports, or when it has ended, or with ctx.
func (s *Server) waitReady(ctx context.Context, broker *child.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWait, fmt.Errorf("not ready after %s", readyWait))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if s.ready(ctx, client) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-broker.Done():
			return fmt.Errorf("the broker ended: %w", errors.Join(broker.Err(), errNotReady))
		case <-tick.C:
		}
	}
}

func (s *Server) ready(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.ManagementURL+"/api/overview", nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("guest", "guest")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errNotReady
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports.amqp)))
	if err != nil {
		return err
	}
	return conn.Close()
}
