package relay

import (
	"fmt"
	"sync"
)

// link is the state of a relay's way to RabbitMQ.
type link struct {
	mu        sync.Mutex
	ever      bool  // there was a connection
	connected bool  // there is one
	known     bool  // and its queues were listed
	err       error // why not, as of late
}

func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ever, l.connected, l.known = true, true, false
}

func (l *link) down(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.err = false, err
}

// listed takes the result of listing the queues.
func (l *link) listed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.err = l.known || err == nil, err
}

// reached reports whether there was a connection.
func (l *link) reached() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ever
}

// interrupted reports whether there was a connection and is none.
func (l *link) interrupted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ever && !l.connected
}

// fault returns why messages could not be taken in the end, or nil.
func (l *link) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.connected && l.known:
		return nil
	case l.err == nil:
		return ErrRabbitMQ
	default:
		return fmt.Errorf("%w: %w", ErrRabbitMQ, l.err)
	}
}
