package relay

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/testcloud"
)

// unreachable returns a relay whose RabbitMQ does not exist, and its log.
func unreachable(t *testing.T, idle, deadline time.Duration) (Relay, *lockedBuffer) {
	t.Helper()
	broker, err := ParseBroker("amqp://user:s3cret@"+closedPort(t), "")
	if err != nil {
		t.Fatal(err)
	}
	logs := &lockedBuffer{}
	return Relay{
		Config:    Config{Broker: broker, Idle: idle, Deadline: deadline, Discovery: time.Second, Prefetch: 256},
		Admission: standIn{}, Topics: newTestTopics(t, testcloud.Start(t)), Logger: slog.New(slog.NewTextHandler(logs, nil)),
	}, logs
}

func TestARelayWithoutRabbitMQFails(t *testing.T) {
	t.Parallel()
	r, logs := unreachable(t, 200*time.Millisecond, time.Minute) // far longer than a refusal takes
	summary, err := r.Run(t.Context())
	if !errors.Is(err, ErrRabbitMQ) || summary.Ended != Idle || len(summary.Queues) != 0 {
		t.Errorf("Run = %+v, %v; want ErrRabbitMQ", summary, err)
	}
	mustContain(t, "error", err.Error(), "connection refused")
	if strings.Contains(err.Error()+logs.String(), "s3cret") {
		t.Errorf("error %v or log %s holds the password", err, logs)
	}
}

func TestARelayEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	r, _ := unreachable(t, time.Minute, 10*time.Millisecond)
	if summary, err := r.Run(t.Context()); summary.Ended != Deadline || !errors.Is(err, ErrRabbitMQ) {
		t.Errorf("Run = %+v, %v; want the deadline", summary, err)
	}
}

func TestARelayEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	r, _ := unreachable(t, time.Minute, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if summary, _ := r.Run(ctx); summary.Ended != Shutdown { // RabbitMQ was never reached
		t.Errorf("Run = %+v; want a shutdown", summary)
	}
}

func TestARelayLeavesTimeToSettle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		deadline, caller time.Duration
		want             time.Duration
	}{
		"its own deadline":                 {deadline: time.Minute, want: time.Minute},
		"its caller's comes later":         {deadline: time.Minute, caller: time.Hour, want: time.Minute},
		"its caller's comes first":         {deadline: time.Hour, caller: time.Minute, want: time.Minute - settleTime},
		"its caller has hardly any time":   {deadline: time.Hour, caller: 2 * time.Second, want: time.Second},
		"both come at once":                {deadline: time.Minute, caller: time.Minute, want: time.Minute - settleTime},
		"its caller leaves just that time": {deadline: time.Minute, caller: time.Minute + settleTime, want: time.Minute},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.caller > 0 {
					limited, cancel := context.WithTimeout(ctx, tc.caller)
					defer cancel()
					ctx = limited
				}
				started := time.Now()
				intake, stop := Relay{Config: Config{Deadline: tc.deadline}}.intake(ctx)
				defer stop(nil)
				work, cancel := settling(ctx, intake)
				defer cancel()
				<-intake.Done()
				if got := time.Since(started); got != tc.want || word(intake) != Deadline {
					t.Errorf("intake ended after %v by %s; want %v", got, word(intake), tc.want)
				}
				<-work.Done()
				if got := time.Since(started); got != tc.want+settleTime {
					t.Errorf("settling ended after %v; want %v", got, tc.want+settleTime)
				}
			})
		})
	}
}

func TestARelayWaitsForABrokerThatWasThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{Relay: Relay{Config: Config{Idle: time.Second}}, tally: newTally()}
		r.link.up()
		r.link.down(errors.New("restart"))
		intake, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		go r.watch(intake, stop)
		time.Sleep(time.Hour)
		if intake.Err() != nil {
			t.Fatal("the relay took an absent broker for one that has nothing")
		}
		r.link.up()
		r.tally.touch()
		time.Sleep(time.Second + watchEvery)
		if word(intake) != Idle {
			t.Errorf("intake %v; want it idle", context.Cause(intake))
		}
	})
}

func TestARelayWaitsLongerForAConnectionThanForAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{Relay: Relay{Config: Config{Idle: 5 * time.Second, Connect: 2 * time.Minute}}, tally: newTally()}
		intake, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		go r.watch(intake, stop)
		time.Sleep(time.Minute)
		if intake.Err() != nil {
			t.Fatalf("the relay left before it had a connection: %v", context.Cause(intake))
		}
		r.link.up()
		r.tally.touch()
		time.Sleep(5*time.Second + watchEvery)
		if word(intake) != Idle {
			t.Errorf("intake %v; want it idle", context.Cause(intake))
		}
	})
}

func TestARelayThatReachesNobodyEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{Relay: Relay{Config: Config{Idle: 5 * time.Second, Connect: 2 * time.Minute}}, tally: newTally()}
		intake, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		began := time.Now()
		r.watch(intake, stop)
		if took := time.Since(began); word(intake) != Idle || took < 2*time.Minute || took > 2*time.Minute+watchEvery {
			t.Errorf("it ended after %s: %v", took, context.Cause(intake))
		}
	})
}

func TestFaultOfALink(t *testing.T) {
	t.Parallel()
	trouble := errors.New("refused")
	tests := map[string]struct {
		happen func(l *link)
		want   error
	}{
		"never connected":                 {func(*link) {}, ErrRabbitMQ},
		"never connected, known why":      {func(l *link) { l.down(trouble) }, trouble},
		"connected, queues unknown":       {func(l *link) { l.up(); l.listed(trouble) }, trouble},
		"connected":                       {func(l *link) { l.up(); l.listed(nil) }, nil},
		"connected, queues known earlier": {func(l *link) { l.up(); l.listed(nil); l.listed(trouble) }, nil},
		"lost in the end":                 {func(l *link) { l.up(); l.listed(nil); l.down(trouble) }, trouble},
		"back again, queues unknown":      {func(l *link) { l.up(); l.listed(nil); l.down(trouble); l.up(); l.listed(trouble) }, trouble},
	}
	for name, tc := range tests {
		var l link
		tc.happen(&l)
		if got := l.fault(); !errors.Is(got, tc.want) || (tc.want != nil && !errors.Is(got, ErrRabbitMQ)) {
			t.Errorf("%s: fault %v; want %v", name, got, tc.want)
		}
	}
}

func TestARelayThatAchievesNothingFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		counts Counts
		want   error
	}{
		"nothing came":              {Counts{}, nil},
		"all relayed":               {Counts{Relayed: 1}, nil},
		"all dead letters":          {Counts{DeadLettered: 1}, nil},
		"some went back":            {Counts{Relayed: 1, Requeued: 5}, nil},
		"all went back to RabbitMQ": {Counts{Requeued: 5}, ErrPubSub},
	}
	for name, tc := range tests {
		s := Summary{Queues: map[string]Counts{"rmq_a": tc.counts, "rmq_b": {}}}
		if got := s.fault(); !errors.Is(got, tc.want) {
			t.Errorf("%s: fault %v; want %v", name, got, tc.want)
		}
	}
}
