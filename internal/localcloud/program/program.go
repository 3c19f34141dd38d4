package program

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/backoff"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/child"
)

const (
	shortestPause = 200 * time.Millisecond
	longestPause  = 10 * time.Second
	healthyAfter  = 10 * time.Second // a life of this length lets the pauses begin anew
)

var errStopping = errors.New("stopping")

// A Spec says what to run. Env is the whole environment.
type Spec struct {
	Name   string
	Path   string
	Dir    string
	Env    []string
	Output io.Writer     // of all of its lives, line by line
	Grace  time.Duration // between SIGTERM and SIGKILL
	Log    *slog.Logger  // of its deaths
}

// A Program is kept running until [Program.Stop]. Its methods may be called by several goroutines.
type Program struct {
	spec   Spec
	ctx    context.Context //nolint:containedctx // ends the pauses between two lives
	stop   context.CancelCauseFunc
	output *lines
	kept   sync.WaitGroup

	mu      sync.Mutex
	life    *child.Process
	deaths  int
	changed chan struct{} // closed and replaced at each death
}

// Start starts a program. Its error says that it could not be started at all, as when there is no such file.
func Start(spec Spec) (*Program, error) {
	p := &Program{spec: spec, output: &lines{w: spec.Output}, changed: make(chan struct{})}
	p.ctx, p.stop = context.WithCancelCause(context.Background())
	if err := p.begin(); err != nil {
		p.stop(err)
		return nil, err
	}
	p.kept.Go(p.keep)
	return p, nil
}

func (p *Program) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	cmd := exec.Command(p.spec.Path) //nolint:gosec,noctx // one of this project's programs; ended by Stop with its grace
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.spec.Dir, p.spec.Env, p.output, p.output
	if len(p.spec.Env) == 0 {
		cmd.Env = []string{"PATH="} // else it would inherit this process's
	}
	life, err := child.Start(cmd)
	if err != nil {
		return fmt.Errorf("%s: %w", p.spec.Name, err)
	}
	p.life = life
	return nil
}

// keep starts the program again after each of its deaths.
func (p *Program) keep() {
	pause := backoff.Backoff{Min: shortestPause, Max: longestPause}
	for {
		began := time.Now()
		<-p.life.Done()
		if p.ctx.Err() != nil {
			return
		}
		p.died()
		if time.Since(began) >= healthyAfter {
			pause.Reset()
		}
		for {
			if pause.Wait(p.ctx) != nil {
				return
			}
			err := p.begin()
			if err == nil {
				break
			}
			p.spec.Log.Error("program was not started again", "program", p.spec.Name, "error", err)
		}
	}
}

func (p *Program) died() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaths++
	close(p.changed)
	p.changed = make(chan struct{})
	p.spec.Log.Warn("program ended and is started again", "program", p.spec.Name, "status", describe(p.life.Err()), "deaths", p.deaths)
}

// PID is the process id of the latest life.
func (p *Program) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life.PID()
}

// Deaths counts the ends that nobody asked for, [Program.Kill] included. The channel is closed at the next.
func (p *Program) Deaths() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaths, p.changed
}

// LastLine is the last line of output, which tells why a program ended.
func (p *Program) LastLine() string { return p.output.latest() }

// Kill ends the latest life and its children with SIGKILL, as an out-of-memory kill or the loss of its machine would. The
// program is started again.
func (p *Program) Kill() error {
	p.mu.Lock()
	life := p.life
	p.mu.Unlock()
	return life.Kill()
}

// Stop ends the program for good and waits for it. Stopping twice is harmless.
func (p *Program) Stop() error {
	p.mu.Lock()
	p.stop(errStopping)
	life := p.life
	p.mu.Unlock()
	err := life.Stop(p.spec.Grace)
	p.kept.Wait()
	p.output.flush()
	return err
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return cmp.Or(err.Error(), "unknown")
}
