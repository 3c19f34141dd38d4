package localcloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/eventarc"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/port"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/program"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/push"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const (
	functionGrace = 10 * time.Second // Cloud Run's
	executorGrace = 30 * time.Second // Kubernetes'

	finalizeConcurrency = 16
	finalizeAttempts    = 100 // a quarter of an hour, with the pauses below

	readyPoll = 20 * time.Millisecond
)

// startFinalize starts the function and the Eventarc that feeds it.
func (c *Cloud) startFinalize(ctx, looping context.Context) error {
	address, err := c.serve(ctx, "finalize", "finalize", func(int) map[string]string { return nil })
	if err != nil {
		return err
	}
	trigger := &eventarc.Trigger{
		Subscription: c.messages.Subscriber(finalizeSubscription), DeadLetters: c.letters,
		URL: address, Client: c.http, Attempts: finalizeAttempts, Min: 100 * time.Millisecond, Max: 10 * time.Second,
		Concurrency: finalizeConcurrency, Log: c.log,
	}
	c.loops.Go(func() {
		if err := trigger.Run(looping); err != nil {
			c.log.Error("eventarc ended", "error", err)
		}
	})
	return nil
}

// startBridge starts the function and the scheduler that calls it.
func (c *Cloud) startBridge(ctx, scheduling context.Context) error {
	address, err := c.serve(ctx, "bridge", "bridge", c.bridgeEnv)
	if err != nil {
		return err
	}
	s := &scheduler{url: address, client: c.http, log: c.log}
	c.loops.Go(func() { s.run(scheduling) })
	return nil
}

// startReport starts the bridge's other function and the push subscription that calls it.
func (c *Cloud) startReport(ctx, looping context.Context) error {
	address, err := c.serve(ctx, "report", "bridge", c.reportEnv)
	if err != nil {
		return err
	}
	p := &push.Subscription{
		Subscriber: c.messages.Subscriber(reportsTopic), Name: reportsTopic, Project: project, URL: address + "projects/" + project + "/topics/" + reportsTopic,
		Client: c.http, Min: 100 * time.Millisecond, Max: 10 * time.Second, Log: c.log,
	}
	c.loops.Go(func() {
		if err := p.Run(looping); err != nil {
			c.log.Error("push subscription ended", "error", err)
		}
	})
	return nil
}

// startExecutor starts an executor and waits until it serves its pool. One that ends before is at fault.
func (c *Cloud) startExecutor(ctx context.Context, name string) error {
	program := "executor-" + name
	p, err := c.launch(program, "executor", c.executorEnv(name), executorGrace)
	if err != nil {
		return err
	}
	_, died := p.Deaths()
	select {
	case <-c.pubsub.Subscribed(project, pool.Topic(name)):
		return nil
	case <-died:
		return alive(program, p)
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", program, context.Cause(ctx))
	}
}

// serve starts a function and waits until it listens.
func (c *Cloud) serve(ctx context.Context, name, binary string, env func(port int) map[string]string) (address string, err error) {
	number, err := port.Free()
	if err != nil {
		return "", err
	}
	own := map[string]string{"PORT": strconv.Itoa(number)}
	for key, value := range env(number) {
		own[key] = value
	}
	p, err := c.launch(name, binary, own, functionGrace)
	if err != nil {
		return "", err
	}
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	address = "http://" + host + "/"
	c.mu.Lock()
	c.Functions[strings.Replace(name, "bridge", "relay", 1)] = address
	c.mu.Unlock()
	return address, listening(ctx, name, p, host)
}

// launch starts a program in a folder of its own with a log of its own.
func (c *Cloud) launch(name, binary string, own map[string]string, grace time.Duration) (*program.Program, error) {
	out, err := c.logs.open(name)
	if err != nil {
		return nil, err
	}
	p, err := program.Start(program.Spec{
		Name: name, Path: filepath.Join(c.options.Bin, binary), Dir: c.folders.home, Env: c.environ(binary, own), Output: out, Grace: grace, Log: c.log,
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.programs[name] = p
	return p, nil
}

// listening waits until a program accepts connections. One that ends before is at fault.
func listening(ctx context.Context, name string, p *program.Program, address string) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if err := alive(name, p); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
		}
	}
}

func alive(name string, p *program.Program) error {
	if deaths, _ := p.Deaths(); deaths > 0 {
		return fmt.Errorf("%s ended at its start: %s", name, p.LastLine())
	}
	return nil
}

// stopPrograms ends intake and running experiments, then the functions behind them, which may still see their last uploads and
// reports.
func (c *Cloud) stopPrograms() error {
	if c.quiet != nil {
		c.quiet()
	}
	c.mu.Lock()
	behind := []*program.Program{c.programs["finalize"], c.programs["report"]}
	c.mu.Unlock()
	err := c.stopAll(func(p *program.Program) bool { return !slices.Contains(behind, p) })
	if c.unloop != nil {
		c.unloop()
	}
	c.loops.Wait()
	return errors.Join(err, c.stopAll(func(p *program.Program) bool { return slices.Contains(behind, p) }))
}

func (c *Cloud) stopAll(chosen func(*program.Program) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var stopping sync.WaitGroup
	errs := make(chan error, len(c.programs))
	for _, p := range c.programs {
		if chosen(p) {
			stopping.Go(func() { errs <- p.Stop() })
		}
	}
	stopping.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}
