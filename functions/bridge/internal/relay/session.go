package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// closeTimeout bounds the goodbye to a broker that may be gone.
const closeTimeout = 2 * time.Second

// session serves all queues over one connection.
type session struct {
	run  *run
	conn *amqp.Connection

	consumers sync.WaitGroup
	mu        sync.Mutex
	served    map[string]bool
}

// serve works until the intake ends, and then returns nil, or the connection is lost. All consumers have then settled.
func (s *session) serve(intake, work context.Context) error {
	lost := s.conn.NotifyClose(make(chan *amqp.Error, 1))
	// A broker that does not answer must not hold the settling longer than its time.
	defer context.AfterFunc(work, func() { _ = s.conn.CloseDeadline(time.Now()) })()
	err := s.discover(intake, work, lost)
	s.consumers.Wait()
	_ = s.conn.CloseDeadline(time.Now().Add(closeTimeout)) // what is not acknowledged by now is requeued in any case
	return err
}

// discover starts a consumer for each queue that appears.
func (s *session) discover(intake, work context.Context, lost <-chan *amqp.Error) error {
	again := time.NewTicker(s.run.Config.Discovery)
	defer again.Stop()
	for {
		s.join(intake, work)
		select {
		case <-intake.Done():
			return nil
		case err := <-lost:
			return fmt.Errorf("connection to RabbitMQ lost: %w", err)
		case <-again.C:
		}
	}
}

// join serves the queues that exist and are not served yet. A failure is tried again at the next discovery.
func (s *session) join(intake, work context.Context) {
	queues, err := s.run.directory.Queues(intake)
	if intake.Err() != nil {
		return
	}
	s.run.link.listed(err)
	if err != nil {
		s.run.Logger.Warn("queues unknown", "error", err)
	}
	for _, q := range queues {
		if !s.claim(q.Name) {
			continue
		}
		s.consumers.Go(func() {
			defer s.release(q.Name)
			if err := s.run.consumer(q).run(intake, work, s.conn); err != nil {
				s.run.Logger.Warn("queue not served", "queue", q.Name, "error", err)
			}
		})
	}
}

func (s *session) claim(queue string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served[queue] {
		return false
	}
	s.served[queue] = true
	return true
}

func (s *session) release(queue string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.served, queue)
}
