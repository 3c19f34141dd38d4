package relay

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// channelLog is a channel of RabbitMQ that notes what it is told, and when.
type channelLog struct {
	started time.Time
	told    []string
	err     error
}

func (c *channelLog) Ack(tag uint64, multiple bool) error {
	c.note("ack", tag, multiple)
	return c.err
}

func (c *channelLog) Nack(tag uint64, _, requeue bool) error {
	c.note("nack", tag, requeue)
	return c.err
}

func (c *channelLog) note(verb string, tag uint64, flag bool) {
	c.told = append(c.told, fmt.Sprintf("%s %d %v at %v", verb, tag, flag, time.Since(c.started)))
}

// settled returns a delivery in the forwarder's hands that ends with the disposition after a while.
func settled(tag uint64, d Disposition, after time.Duration) *pending {
	p := &pending{tag: tag, done: make(chan struct{}), disposition: d}
	if d == Requeue {
		p.err = errors.New("no")
	}
	time.AfterFunc(after, func() { close(p.done) })
	return p
}

// settleAll runs a settler over the deliveries, keeps it for a while longer, and returns what RabbitMQ was told.
func settleAll(t *testing.T, channel *channelLog, after time.Duration, deliveries ...*pending) (told []string, counts Counts) {
	t.Helper()
	tally := newTally()
	inHand := make(chan *pending, len(deliveries))
	done := make(chan struct{})
	channel.started = time.Now()
	go func() {
		defer close(done)
		newSettler("rmq_test", 256, channel, tally, quiet()).run(inHand)
	}()
	for _, p := range deliveries {
		inHand <- p
	}
	time.Sleep(after) // in the bubble's time
	close(inHand)
	<-done
	return channel.told, tally.queues["rmq_test"]
}

func TestSettle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		deliveries func() []*pending
		after      time.Duration
		want       []string
		counts     Counts
	}{
		"deliveries are acknowledged together, in their order": {
			deliveries: func() []*pending {
				return []*pending{settled(1, Ack, 3*time.Millisecond), settled(2, DeadLetter, 0), settled(3, Ack, 0)}
			},
			after: time.Second, want: []string{"ack 3 true at 8ms"}, counts: Counts{Relayed: 2, DeadLettered: 1},
		},
		"a slow one does not delay those before it": {
			deliveries: func() []*pending { return []*pending{settled(1, Ack, 0), settled(2, Ack, time.Second)} },
			after:      2 * time.Second, want: []string{"ack 1 true at 5ms", "ack 2 true at 1.005s"}, counts: Counts{Relayed: 2},
		},
		"the end does not wait for a batch": {
			deliveries: func() []*pending { return []*pending{settled(1, Ack, 0)} },
			after:      time.Millisecond, want: []string{"ack 1 true at 1ms"}, counts: Counts{Relayed: 1},
		},
		"a failed one is requeued after a pause, and no acknowledgement covers it": {
			deliveries: func() []*pending { return []*pending{settled(1, Ack, 0), settled(2, Requeue, 0), settled(3, Ack, 0)} },
			after:      2 * time.Second, want: []string{"ack 1 true at 0s", "ack 3 false at 5ms", "nack 2 true at 1s"},
			counts: Counts{Relayed: 2, Requeued: 1},
		},
		"failed ones go back together": {
			deliveries: func() []*pending {
				return []*pending{settled(1, Requeue, 0), settled(2, Requeue, 500*time.Millisecond), settled(3, Requeue, 1500*time.Millisecond)}
			},
			after: 10 * time.Second, want: []string{"nack 1 true at 1s", "nack 2 true at 1s", "nack 3 true at 3.5s"}, counts: Counts{Requeued: 3},
		},
		"what is held in the end is left to RabbitMQ": {
			deliveries: func() []*pending { return []*pending{settled(1, Requeue, 0), settled(2, Ack, 0)} },
			after:      100 * time.Millisecond, want: []string{"ack 2 false at 5ms"}, counts: Counts{Relayed: 1, Requeued: 1},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told, counts := settleAll(t, &channelLog{}, tc.after, tc.deliveries()...)
				if !slices.Equal(told, tc.want) || counts != tc.counts {
					t.Errorf("told %q, counts %+v; want %q, %+v", told, counts, tc.want, tc.counts)
				}
			})
		})
	}
}

func TestAFullBatchIsNotDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var deliveries []*pending
		for tag := range uint64(ackBatch) {
			deliveries = append(deliveries, settled(tag+1, Ack, 0))
		}
		told, _ := settleAll(t, &channelLog{}, time.Millisecond, deliveries...)
		if want := []string{"ack 64 true at 0s"}; !slices.Equal(told, want) {
			t.Errorf("told %q; want %q", told, want)
		}
	})
}

func TestAWindowOfOneIsAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	if got := newSettler("q", 1, nil, nil, nil).size; got != 1 {
		t.Errorf("batch of %d in a window of 1", got)
	}
}

func TestThePauseGrowsWhileNothingSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSettler("q", 256, &channelLog{}, newTally(), quiet())
		var pauses []time.Duration
		for range 7 {
			pauses = append(pauses, s.pause)
			s.settle(settled(1, Requeue, 0))
			s.release()
		}
		want := []time.Duration{1, 2, 4, 8, 16, 30, 30}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v; want %v", pauses, want)
		}
		s.settle(settled(2, Ack, 0))
		s.flush()
		if s.pause != shortestPause {
			t.Errorf("pause %v after a success; want %v", s.pause, shortestPause)
		}
	})
}

func TestARelayIsNotIdleWhileMessagesAreAboutToComeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tally := newTally()
		s := newSettler("q", 256, &channelLog{}, tally, quiet())
		s.settle(settled(1, Requeue, 0))
		time.Sleep(time.Hour)
		if got := tally.quiet(); got != 0 {
			t.Errorf("quiet for %v with a message held", got)
		}
		s.release()
		time.Sleep(time.Second)
		if got := tally.quiet(); got != time.Second {
			t.Errorf("quiet for %v a second after it went back", got)
		}
	})
}

func TestALostAcknowledgementCountsAsRequeued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, counts := settleAll(t, &channelLog{err: errors.New("closed")}, time.Second, settled(1, Ack, 0), settled(2, DeadLetter, 0))
		if want := (Counts{Requeued: 2}); counts != want {
			t.Errorf("counts %+v; want %+v", counts, want)
		}
	})
}
