package drain

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
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
	mu     sync.Mutex
	is     pod.Deletion
	silent bool
	slow   int   // so many requests are not answered, then all are
	err    error // the server refuses
}

// answer is what the server says, or whether it says nothing.
func (p *fakePod) answer() (is pod.Deletion, silent bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow--
	return p.is, p.silent || p.slow >= 0, p.err
}

func (p *fakePod) Deletion(ctx context.Context) (pod.Deletion, error) {
	is, silent, err := p.answer()
	if silent {
		<-ctx.Done()
		return pod.Deletion{}, errors.New("no answer")
	}
	return is, err
}

// lose loses the next requests.
func (p *fakePod) lose(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = n
}

// becomes changes what the server says.
func (p *fakePod) becomes(is pod.Deletion, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.is, p.silent, p.slow, p.err = is, silent, 0, nil
}

// bundle is an executor's leaving with what a test does to it.
type bundle struct {
	*Drain
	began     time.Time
	terminate context.CancelFunc // SIGTERM
	hook      chan os.Signal     // SIGUSR1
	logs      *bytes.Buffer      // to be read when nothing runs
}

// setup is an executor in a pod, or in none, that has run for a while.
func setup(t *testing.T, p *fakePod) *bundle {
	t.Helper()
	told, terminate := context.WithCancel(t.Context())
	b := &bundle{terminate: terminate, hook: make(chan os.Signal, 4), logs: &bytes.Buffer{}}
	cfg := Config{Timeout: 72 * time.Hour, Saving: time.Hour, Hurry: 15 * time.Second, Log: slog.New(slog.NewTextHandler(b.logs, nil))}
	if p != nil {
		cfg.Pod = p
	}
	b.Drain = Start(told, b.hook, cfg)
	t.Cleanup(func() { terminate(); b.Stop() })
	time.Sleep(time.Minute) // of the bubble
	b.began = time.Now()
	return b
}

// expect is when experiments must leave, and how long the executor has then, both counted from the signal.
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

// An API server in a rollout may be slow to answer the first request.
func TestASlowAnswerDoesNotEndExperiments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &fakePod{is: pod.Deletion{Asked: true, Grace: 74 * time.Hour}}
		b := setup(t, p)
		p.lose(1)
		b.terminate()
		b.expect(t, 72*time.Hour, 74*time.Hour)
	})
}

// Experiments that leave are not called back, but their save is not cut short either.
func TestALateAnswerTellsHowLongSavingMayTake(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		is    pod.Deletion
		until time.Duration
	}{
		"deleted with a long grace":  {pod.Deletion{Asked: true, Grace: 74 * time.Hour}, 74 * time.Hour},
		"deleted with a short grace": {pod.Deletion{Asked: true, Grace: 10 * time.Second}, 10 * time.Second},
		"not deleted":                {pod.Deletion{}, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &fakePod{silent: true}
				b := setup(t, p)
				b.terminate()
				b.expect(t, patience, 15*time.Second)
				p.becomes(tc.is, false)
				b.hook <- syscall.SIGUSR1 // that of the signal, heard late
				b.after(t, 2*time.Second, tc.until)
				p.becomes(pod.Deletion{Asked: true, Grace: time.Hour}, false)
				b.after(t, time.Minute, tc.until) // it is not asked again
			})
		})
	}
}

func TestThereMayBeLessTimeThanALateAnswerTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		then  pod.Deletion
		until time.Duration
	}{
		"the node shuts down":    {pod.Deletion{Asked: true, Grace: 74 * time.Hour}, time.Minute + 15*time.Second},
		"the grace is shortened": {pod.Deletion{Asked: true, Grace: time.Hour}, time.Minute + time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &fakePod{silent: true}
				b := setup(t, p)
				b.hook <- syscall.SIGUSR1
				b.terminate()
				b.expect(t, patience, 15*time.Second)
				p.becomes(pod.Deletion{Asked: true, Grace: 74 * time.Hour}, false)
				b.after(t, time.Minute-patience, 74*time.Hour)
				p.becomes(tc.then, false)
				b.hook <- syscall.SIGUSR1
				b.after(t, time.Second, tc.until)
			})
		})
	}
}

// A kubelet that was restarted runs the hook again, too.
func TestAHookThatComesWhileExperimentsSaveGivesNoMoreTimeThanTheGrace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		is           pod.Deletion
		leave, until time.Duration
		then         time.Duration // when the hook comes 20 s later
	}{
		"deleted with a short grace": {pod.Deletion{Asked: true, Grace: time.Minute}, 30 * time.Second, time.Minute, time.Minute},
		"not deleted, and not gone":  {pod.Deletion{}, 0, 15 * time.Second, 35 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, &fakePod{is: tc.is})
				b.hook <- syscall.SIGUSR1
				b.terminate()
				b.expect(t, tc.leave, tc.until)
				b.after(t, 20*time.Second, tc.until)
				b.hook <- syscall.SIGUSR1
				b.after(t, time.Second, tc.then)
			})
		})
	}
}

// Who installs learns of it at the start of an executor, not when it has cost experiments.
func TestAnExecutorThatMayNotAskSaysSoWhenItStarts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pod  *fakePod
		says string
	}{
		"refused":            {&fakePod{err: errors.New("403 Forbidden")}, "account.yaml"},
		"not reached":        {&fakePod{silent: true}, "reach the API server"},
		"reached with delay": {&fakePod{slow: 2}, ""},
		"no pod":             {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, tc.pod)
				synctest.Wait()
				if n := strings.Count(b.logs.String(), "level=ERROR"); n > 1 || (n == 1) != (tc.says != "") || !strings.Contains(b.logs.String(), tc.says) {
					t.Errorf("logged %q, want %q", b.logs, tc.says)
				}
			})
		})
	}
}

func TestAnExecutorThatIsStoppedAtOnceHasNothingToSayOfItsPod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		Start(t.Context(), nil, Config{Pod: &fakePod{silent: true}, Log: slog.New(slog.NewTextHandler(&logs, nil))}).Stop()
		if logs.Len() > 0 {
			t.Errorf("logged %q", logs.String())
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
		then         pod.Deletion // after an hour
		silent       bool
		leave, until time.Duration
	}{
		"the node shuts down":    {pod.Deletion{Asked: true, Grace: 74 * time.Hour}, false, time.Hour, time.Hour + 15*time.Second},
		"the server is silent":   {pod.Deletion{}, true, time.Hour + patience, time.Hour + 15*time.Second},
		"the grace is shortened": {pod.Deletion{Asked: true, Grace: 4 * time.Hour}, false, 4 * time.Hour, 5 * time.Hour},
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
				p.becomes(tc.then, tc.silent)
				b.hook <- syscall.SIGUSR1
				b.expect(t, tc.leave, tc.until)
			})
		})
	}
}

// after lets time pass, and expects the executor to end then, counted from the signal.
func (b *bundle) after(t *testing.T, d, until time.Duration) {
	t.Helper()
	time.Sleep(d) // of the bubble
	synctest.Wait()
	if end := b.Until().Sub(b.began); end != until {
		t.Errorf("the executor ends after %s, want %s", end, until)
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
