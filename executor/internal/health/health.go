// Package health answers the probes of the platform that runs the executor.
//
//	GET /livez   200 as long as the process answers at all
//	GET /readyz  200 while deliveries are taken; 503 before that and while the executor drains
//
// Liveness asks for nothing that an experiment, the network or a service can disturb: an executor is killed for being stuck,
// never for working hard or for an outage, in which the experiments that it holds go on. What it cannot mend it ends by
// itself, with an exit code.
package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// State is what the probes are told. Its zero value is an executor that starts.
type State struct{ phase atomic.Int32 }

const (
	starting = iota
	serving
	draining
)

// Serving says that deliveries are taken. An executor that drains stays one.
func (s *State) Serving() { s.phase.CompareAndSwap(starting, serving) }

// Draining says that nothing new is taken any more.
func (s *State) Draining() { s.phase.Store(draining) }

// ServeHTTP answers a probe.
func (s *State) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, text := http.StatusOK, "ok"
	switch phase := s.phase.Load(); {
	case r.URL.Path == "/livez":
	case r.URL.Path != "/readyz":
		code, text = http.StatusNotFound, "ask for /livez or /readyz"
	case phase == starting:
		code, text = http.StatusServiceUnavailable, "the executor starts"
	case phase == draining:
		code, text = http.StatusServiceUnavailable, "the executor drains: nothing new is taken"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) // a probe that went away is asked for again
}

// probeTime bounds one answer, so that whoever connects and says nothing holds nothing.
const probeTime = 5 * time.Second

// Listen answers at address until close is called.
func (s *State) Listen(ctx context.Context, address string) (close func() error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("answer probes at %s: %w", address, err)
	}
	server := &http.Server{Handler: s, ReadTimeout: probeTime, WriteTimeout: probeTime, IdleTimeout: probeTime, MaxHeaderBytes: 1 << 12}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		err := errors.Join(server.Close(), <-served)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, nil
}
