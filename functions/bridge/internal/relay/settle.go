package relay

import (
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// Deliveries are acknowledged together, which spares both sides most of their frames: as many as leave RabbitMQ the
	// most part of the window to refill, or those of ackDelay. Their requests are in Pub/Sub by then and not delayed by it.
	ackBatch = 64
	ackShare = 4
	ackDelay = 5 * time.Millisecond

	// The pause before failed deliveries go back to RabbitMQ, doubled up to the longest while nothing succeeds.
	shortestPause = time.Second
	longestPause  = 30 * time.Second
)

// acknowledger is a channel of RabbitMQ.
type acknowledger interface {
	Ack(tag uint64, multiple bool) error
	Nack(tag uint64, multiple, requeue bool) error
}

// pending is a delivery in the hands of the forwarder. Its other fields may be read once done is closed.
type pending struct {
	delivery amqp.Delivery // until it is forwarded
	tag      uint64
	done     chan struct{}

	disposition Disposition // what was achieved; DeadLetter once the dead letter is published
	err         error       // why not, for Requeue
}

// settler tells RabbitMQ what became of a queue's deliveries, in the order in which they came.
type settler struct {
	queue   string
	channel acknowledger
	tally   *tally
	logger  *slog.Logger
	size    int           // of a batch
	pause   time.Duration // the next one

	batch []*pending // to be acknowledged when it is full or due
	due   <-chan time.Time
	held  []uint64 // failed, to be requeued when the pause is over
	over  <-chan time.Time
}

func newSettler(queue string, window int, channel acknowledger, t *tally, logger *slog.Logger) *settler {
	return &settler{
		queue: queue, channel: channel, tally: t, logger: logger, size: max(1, min(ackBatch, window/ackShare)), pause: shortestPause,
	}
}

// run settles deliveries until the channel of them is closed and all are settled. Those that are held then stay
// unacknowledged: RabbitMQ requeues them when its channel closes.
func (s *settler) run(deliveries <-chan *pending) {
	defer func() { s.tally.hold(-len(s.held)) }()
	for {
		select {
		case p, ok := <-deliveries:
			if !ok {
				s.flush()
				return
			}
			s.await(p)
			s.settle(p)
		case <-s.due:
			s.flush()
		case <-s.over:
			s.release()
		}
	}
}

// await returns when p is done, and serves the timers meanwhile.
func (s *settler) await(p *pending) {
	for {
		select {
		case <-p.done:
			return
		case <-s.due:
			s.flush()
		case <-s.over:
			s.release()
		}
	}
}

func (s *settler) settle(p *pending) {
	if p.disposition == Requeue {
		s.flush()
		s.hold(p)
		return
	}
	if s.batch = append(s.batch, p); len(s.batch) >= s.size {
		s.flush()
	} else if s.due == nil {
		s.due = time.After(ackDelay)
	}
}

// hold keeps a failed delivery for a while: requeued at once, it would come back at once.
func (s *settler) hold(p *pending) {
	s.held = append(s.held, p.tag)
	s.tally.hold(1)
	s.tally.add(s.queue, Counts{Requeued: 1})
	if s.over == nil {
		s.logger.Warn("requests go back to RabbitMQ", "queue", s.queue, "pause", s.pause.String(), "error", p.err)
		s.over = time.After(s.pause)
		s.pause = min(2*s.pause, longestPause)
	}
}

func (s *settler) release() {
	s.flush()
	for _, tag := range s.held {
		if err := s.channel.Nack(tag, false, true); err != nil {
			break // the channel is gone, and RabbitMQ has requeued all of them
		}
	}
	s.tally.hold(-len(s.held))
	s.held, s.over = nil, nil
}

// flush acknowledges the batch, with one frame where no delivery before it is held: an acknowledgement of several covers
// every earlier one.
func (s *settler) flush() {
	s.due = nil
	if len(s.batch) == 0 {
		return
	}
	if len(s.held) == 0 {
		s.count(s.batch, s.channel.Ack(s.batch[len(s.batch)-1].tag, true))
		s.pause = shortestPause
	} else {
		for _, p := range s.batch {
			s.count([]*pending{p}, s.channel.Ack(p.tag, false))
		}
	}
	s.batch = s.batch[:0]
}

// count adds acknowledged deliveries to the summary. Those that could not be acknowledged come again.
func (s *settler) count(acked []*pending, err error) {
	var c Counts
	for _, p := range acked {
		switch {
		case err != nil:
			c.Requeued++
		case p.disposition == DeadLetter:
			c.DeadLettered++
		default:
			c.Relayed++
		}
	}
	if err != nil {
		s.logger.Warn("acknowledgement lost", "queue", s.queue, "count", c.Requeued, "error", err)
	}
	s.tally.add(s.queue, c)
}
