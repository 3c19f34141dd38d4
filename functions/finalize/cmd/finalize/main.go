// Command finalize serves the function Finalize at / on PORT until it is told to end; it then takes no more events, finishes
// those in hand within 8 seconds and leaves. What it cannot finish is delivered again.
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

	"github.com/leaf-ai/studio-cloud-runner/functions/finalize/internal/finalizer"
)

// drainTime leaves a reserve of the 10 s that Cloud Run gives after SIGTERM.
const drainTime = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, envconfig.OsLookuper(), os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "finalize:", err)
		os.Exit(1)
	}
}

// run returns nil once ctx is done and events in hand are finished. It registers the function, so it runs once.
func run(ctx context.Context, env envconfig.Lookuper, logs io.Writer) error {
	cfg, err := loadConfig(ctx, env)
	if err != nil {
		return fmt.Errorf("load config: %w", err)
	}
	service := finalizer.NewService(env, logs)
	functions.CloudEvent("Finalize", service.Receive) // served at / where FUNCTION_TARGET names it
	if err := funcframework.RegisterCloudEventFunctionContext(ctx, "/", service.Receive); err != nil {
		return fmt.Errorf("register Finalize: %w", err)
	}
	// The framework's server cannot be stopped: it ends with the process.
	served := make(chan error, 1)
	go func() { served <- funcframework.StartHostPort(cfg.Host, cfg.Port) }()
	select {
	case err = <-served:
		err = fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return errors.Join(err, service.Shutdown(drain))
}
