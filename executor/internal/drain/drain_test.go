package drain

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePod is what the API server says of the pod.
type fakePod struct {
	is     pod.Deletion
	silent bool
}

func (p *fakePod) Deletion(ctx context.Context) (pod.Deletion, error) {
	if p.silent {
		<-ctx.Done()
		return pod.Deletion{}, errors.New("no answer")
	}
	return p.is, nil
}

// bundle is an executor's leaving with what a test does to it.
type bundle struct {
	*Drain
	began     time.Time
	terminate context.CancelFunc // SIGTERM
	hook      chan os.Signal     // SIGUSR1
}

// setup is an executor in a pod, or in none.
func setup(t *testing.T, p *fakePod) *bundle {
	t.Helper()
	told, terminate := context.WithCancel(t.Context())
	b := &bundle{began: time.Now(), terminate: terminate, hook: make(chan os.Signal, 4)}
	cfg := Config{Timeout: 72 * time.Hour, Saving: time.Hour, Hurry: 15 * time.Second, Log: slog.New(slog.DiscardHandler)}
	if p != nil {
		cfg.Pod = p
	}
	b.Drain = Start(told, b.hook, cfg)
	t.Cleanup(func() { terminate(); b.Stop() })
	return b
}

// expect is when experiments must leave, and how long the executor has then, both counted from the beginning of the test.
func (b *bundle) expect(t *testing.T, leave, until time.Duration) {
	t.Helper()
	<-b.Leave()
	if got, end := time.Since(b.began), b.Until().Sub(b.began); got != leave || end != until {
		t.Errorf("experiments leave after %s, and the executor ends after %s; want %s, %s", got, end, leave, until)
	}
}

func TestHowLongExperimentsGoOnIsDecidedByWhoEndsTheExecutor(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		pod          *fakePod
		leave, until time.Duration
	}{
		"no pod":                         {nil, 3 * day, 3*day + 15*time.Second},
		"deleted":                        {&fakePod{is: pod.Deletion{Asked: true, Grace: 74 * time.Hour}}, 3 * day, 74 * time.Hour},
		"deleted with less than a drain": {&fakePod{is: pod.Deletion{Asked: true, Grace: 10 * time.Hour}}, 9 * time.Hour, 10 * time.Hour},
		"deleted with a short grace":     {&fakePod{is: pod.Deletion{Asked: true, Grace: time.Minute}}, 30 * time.Second, time.Minute},
		"deleted with no grace":          {&fakePod{is: pod.Deletion{Asked: true}}, 0, 0},
		"not deleted: the node goes":     {&fakePod{}, 0, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, tc.pod)
				b.hook <- syscall.SIGUSR1 // runs before the signal
				b.terminate()
				b.expect(t, tc.leave, tc.until)
			})
		})
	}
}

func TestAnExecutorThatIsNotToldToLeaveStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, &fakePod{})
		b.hook <- syscall.SIGUSR1
		synctest.Wait()
		select {
		case <-b.Leave():
			t.Error("experiments must leave")
		default:
		}
	})
}

// Of the 15 s of a node that shuts down, most are left to save.
func TestAServerThatDoesNotAnswerIsTakenForTheWorst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, &fakePod{silent: true})
		b.terminate()
		b.expect(t, patience, 15*time.Second)
	})
}

// A container gets one SIGTERM; its hook runs each time that the kubelet has less time for it.
func TestAnExecutorThatDrainsHearsThatThereIsLessTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		then         fakePod // after an hour
		leave, until time.Duration
	}{
		"the node shuts down":    {fakePod{is: pod.Deletion{Asked: true, Grace: 74 * time.Hour}}, time.Hour, time.Hour + 15*time.Second},
		"the server is silent":   {fakePod{silent: true}, time.Hour + patience, time.Hour + 15*time.Second},
		"the grace is shortened": {fakePod{is: pod.Deletion{Asked: true, Grace: 4 * time.Hour}}, 4 * time.Hour, 5 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &fakePod{is: pod.Deletion{Asked: true, Grace: 74 * time.Hour}}
				b := setup(t, p)
				b.terminate()
				synctest.Wait()
				b.hook <- syscall.SIGUSR1 // that of the signal may be heard after it
				b.pass(t, time.Hour)
				*p = tc.then
				b.hook <- syscall.SIGUSR1
				b.expect(t, tc.leave, tc.until)
			})
		})
	}
}

// pass lets time pass in which experiments go on.
func (b *bundle) pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-b.Leave():
		t.Fatalf("experiments must leave after %s", time.Since(b.began))
	case <-time.After(d):
	}
}
