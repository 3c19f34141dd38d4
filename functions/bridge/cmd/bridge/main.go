// Command bridge serves a function at / on PORT until it is told to end: Report where FUNCTION_TARGET names it, else Relay. With
// RELAY_WORKER it serves nothing and relays all the time. Told to end, it takes no more messages, settles those in hand within 8
// seconds, answers its calls and leaves. What it cannot settle stays where it came from.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/report"
)

// drainTime leaves a reserve of the 10 s that Cloud Run gives after SIGTERM.
const drainTime = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, envconfig.OsLookuper(), os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

// run returns nil once ctx is done and messages in hand have settled. It registers the functions, so it runs once.
func run(ctx context.Context, env envconfig.Lookuper, logs io.Writer) error {
	cfg, err := loadConfig(ctx, env)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	requests, reports := relay.NewService(env, logs), report.NewService(env, logs)
	work := requests.Work
	if !cfg.Worker {
		if work, err = server(ctx, cfg, requests, reports); err != nil {
			return err
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return errors.Join(err, requests.Shutdown(drain), reports.Shutdown(drain))
}

// server returns what serves the function that FUNCTION_TARGET names. The framework's server cannot be stopped: it ends with the
// process.
func server(ctx context.Context, cfg config, requests *relay.Service, reports *report.Service) (func(context.Context) error, error) {
	functions.HTTP("Relay", requests.ServeHTTP)
	functions.CloudEvent("Report", reports.Receive)
	if err := funcframework.RegisterHTTPFunctionContext(ctx, "/", requests.ServeHTTP); err != nil {
		return nil, fmt.Errorf("register Relay: %w", err)
	}
	return func(context.Context) error {
		if err := funcframework.StartHostPort(cfg.Host, cfg.Port); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	}, nil
}
