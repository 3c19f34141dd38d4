package rabbit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/child"
)

// stopGrace is what the broker gets to close its files. It does so within a tenth of a second and then waits six more for parts of
// itself; killed there, or even before, it loses nothing that it has confirmed.
const stopGrace = 2 * time.Second

// attempts is how often [Start] picks other ports after losing one to another process.
const attempts = 3

// A Server is a running broker. The guest user may do anything in the virtual host "/".
type Server struct {
	AMQPURL       string
	ManagementURL string // without a path, without credentials
	PID           int    // of the broker; [Server.Restart] changes it

	dir     string
	ports   ports
	install installation
	env     []string
	logs    io.Writer

	mu     sync.Mutex
	epmd   *child.Process
	broker *child.Process
	closed bool
}

// Start starts a broker whose state lies in dir, which is made if need be, and waits until it is ready. Its log goes to
// logs, which may be nil.
func Start(ctx context.Context, dir string, logs io.Writer) (*Server, error) {
	install, err := findInstallation()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("start RabbitMQ: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start RabbitMQ: %w", err)
	}
	if logs == nil {
		logs = io.Discard
	}
	for attempt := 1; ; attempt++ {
		s, err := startOnce(ctx, install, dir, logs)
		if err == nil || attempt == attempts || !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
}

func startOnce(ctx context.Context, install installation, dir string, logs io.Writer) (*Server, error) {
	p, err := pickPorts()
	if err != nil {
		return nil, fmt.Errorf("start RabbitMQ: %w", err)
	}
	if err := writeConfig(dir, p); err != nil {
		return nil, err
	}
	env, err := environment(install, dir, p)
	if err != nil {
		return nil, err
	}
	s := &Server{
		AMQPURL:       "amqp://guest:guest@127.0.0.1:" + strconv.Itoa(p.amqp) + "/%2f",
		ManagementURL: "http://127.0.0.1:" + strconv.Itoa(p.management),
		dir:           dir,
		ports:         p,
		install:       install,
		env:           env,
		logs:          &lockedWriter{w: logs},
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Restart stops the broker, if it runs, and starts it again on the same ports and data. It returns when the broker is
// ready; if that fails the broker is down.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("restart RabbitMQ: closed")
	}
	if err := s.stopBroker(); err != nil {
		return err
	}
	if err := s.startEpmd(); err != nil {
		return err
	}
	log := &tail{w: s.logs}
	broker, err := s.start(s.install.server, log)
	if err != nil {
		return err
	}
	s.broker, s.PID = broker, broker.PID()
	if err := s.waitReady(ctx, broker); err != nil {
		err = errors.Join(err, broker.Kill())
		return fmt.Errorf("start RabbitMQ: %w", log.explain(err))
	}
	return nil
}

// Kill ends the broker as a crash of its machine would, with SIGKILL. What it had confirmed as durable is there after
// [Server.Restart].
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker == nil {
		return nil
	}
	return s.broker.Kill()
}

// Close ends the broker and every process that came with it, and waits for them. The data stays. Closing twice is harmless.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	err := s.stopBroker()
	if s.epmd != nil {
		err = errors.Join(err, s.epmd.Stop(stopGrace))
	}
	return err
}

func (s *Server) stopBroker() error {
	if s.broker == nil {
		return nil
	}
	return s.broker.Stop(stopGrace)
}

// startEpmd starts Erlang's port mapper, unless it runs, as a child in the foreground: the broker would start one itself, but as a
// daemon that stays for ever.
func (s *Server) startEpmd() error {
	if s.epmd != nil {
		select {
		case <-s.epmd.Done():
		default:
			return nil
		}
	}
	epmd, err := s.start(s.install.epmd, s.logs, "-address", "127.0.0.1", "-port", strconv.Itoa(s.ports.epmd))
	s.epmd = epmd
	return err
}

func (s *Server) start(program string, output io.Writer, args ...string) (*child.Process, error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // the installed server; it outlives the context of its start
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.env, output, output
	return child.Start(cmd)
}
