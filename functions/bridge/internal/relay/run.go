package relay

import (
	"context"
	"time"
)

const (
	// The pause before RabbitMQ is tried again, doubled up to the longest.
	shortestRetry = 250 * time.Millisecond
	longestRetry  = 5 * time.Second

	// watchEvery is how exactly a relay knows that nothing has come while it cannot know when something could.
	watchEvery = 100 * time.Millisecond
)

// run is one call of a relay.
type run struct {
	Relay
	directory *Directory
	tally     *tally
	events    *teller
	link      link
}

// serve serves one connection after another until the intake ends; stop ends it where nothing comes.
func (r *run) serve(intake, work context.Context, stop context.CancelCauseFunc) {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(intake, stop)
	}()
	r.connect(intake, work)
	<-watched
}

func (r *run) connect(intake, work context.Context) {
	for retry := shortestRetry; ; retry = min(2*retry, longestRetry) {
		conn, err := r.Config.Broker.Dial(intake)
		if err == nil {
			r.tally.touch() // first: who watches may not see a connection and an old time
			r.link.up()
			retry = shortestRetry
			s := session{run: r, conn: conn, served: map[string]bool{}}
			err = s.serve(intake, work)
		}
		if intake.Err() != nil {
			return
		}
		r.link.down(err)
		r.Logger.Warn("no connection to RabbitMQ", "retry_in", retry.String(), "error", err)
		select {
		case <-intake.Done():
			return
		case <-time.After(retry):
		}
	}
}

// watch ends the intake when nothing has come for a while. A broker that is away after it was there sends nothing either,
// but may have something when it is back: the deadline alone ends that. One that was not reached yet is waited for longer: a new
// instance in Cloud Run may take a minute and more to reach a network (https://cloud.google.com/run/docs/configuring/vpc-direct-vpc).
func (r *run) watch(intake context.Context, stop context.CancelCauseFunc) {
	for {
		patience := r.Config.Idle
		if !r.link.reached() {
			patience = max(patience, r.Config.Connect)
		}
		left := patience - r.tally.quiet()
		if left <= 0 && !r.link.interrupted() {
			stop(errIdle)
			return
		}
		select {
		case <-intake.Done():
			return
		case <-time.After(max(min(left, r.Config.Idle), watchEvery)):
		}
	}
}

func (r *run) consumer(q Queue) *consumer {
	forwarder := Forwarder{Admission: r.Admission, Requests: r.Topics, DeadLetters: r.Topics, Reports: r.Reports, Events: r.events}
	return &consumer{
		queue: q, prefetch: r.Config.Prefetch, project: r.Config.Project, forwarder: forwarder, tally: r.tally, logger: r.Logger,
	}
}
