package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pod"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/worker"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// machine has cards, of which some are bad.
type machine struct {
	cards []string
	bad   []string
}

func (m machine) Devices() (list []device.Device) {
	for _, uuid := range m.cards {
		list = append(list, device.Device{UUID: uuid})
	}
	return list
}

func (m machine) Check(context.Context) (faults []*device.Fault) {
	for _, uuid := range m.bad {
		faults = append(faults, &device.Fault{UUID: uuid, Reason: "has bad memory"})
	}
	return faults
}

// A container that ended because of a bad card is started again on the same machine.
func TestAPodWhoseCardsAreNotAllWellDoesNotServe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		machine
		elsewhere bool
		gpus      int
		fault     string
	}{
		"all are well":               {machine: machine{cards: []string{"a", "b"}}, gpus: 2},
		"none is asked for":          {machine: machine{}},
		"one is bad":                 {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 2, fault: "GPU b: has bad memory"},
		"one does not answer":        {machine: machine{cards: []string{"a"}}, gpus: 2, fault: "its pods have 2 GPUs, of which this one has 1"},
		"there is none":              {machine: machine{}, gpus: 1, fault: "its pods have 1 GPUs, of which this one has 0"},
		"there is none, and no pod":  {machine: machine{}, gpus: 1, elsewhere: true},
		"one is bad, and not lent":   {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 1},
		"one is bad, and lent":       {machine: machine{cards: []string{"a", "b"}, bad: []string{"a"}}, gpus: 1, fault: "GPU a: has bad memory"},
		"one is bad on your machine": {machine: machine{cards: []string{"a", "b"}, bad: []string{"b"}}, gpus: 2, elsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			p := &platform{log: slog.New(slog.NewTextHandler(&logs, nil)), pod: &fakePod{}}
			if tc.elsewhere {
				p.pod = nil
			}
			err := p.cards(t.Context(), &config{pool: pool.Pool{Name: "gpu", GPUs: tc.gpus}}, tc.machine)
			if (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("cards = %v; want %q", err, tc.fault)
			}
			if told := strings.Contains(logs.String(), "GPU went bad and is taken out of use"); told != (err != nil) {
				t.Errorf("the alert's message is logged: %t\n%s", told, logs.String())
			}
		})
	}
}

// fakePod is the executor's pod at an API server that takes a while, and answers err to a deletion.
type fakePod struct {
	takes time.Duration
	err   error
	asked int
}

func (p *fakePod) Delete(ctx context.Context, _ *slog.Logger) error {
	p.asked++
	timer := time.NewTimer(p.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *fakePod) Deletion(context.Context) (pod.Deletion, error) {
	return pod.Deletion{}, errors.New("nobody asks")
}

// Its cards would be free for its successor otherwise, on the same machine.
func TestAPodWithBadCardsKeepsThemUntilItsSuccessorHasOthers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause  error
		pod    *fakePod
		leave  time.Duration // 0 for never
		asks   int
		leaves time.Duration
		says   string
	}{
		"bad cards":                     {cause: worker.ErrUnfit, pod: &fakePod{}, asks: 1, leaves: lingering},
		"a server that takes a while":   {cause: worker.ErrUnfit, pod: &fakePod{takes: time.Hour}, asks: 1, leaves: time.Hour + lingering},
		"it must leave":                 {cause: worker.ErrUnfit, pod: &fakePod{}, leave: time.Minute, asks: 1, leaves: time.Minute},
		"it must leave before that":     {cause: worker.ErrUnfit, pod: &fakePod{takes: time.Hour}, leave: time.Minute, asks: 1, leaves: time.Minute, says: "is not replaced"},
		"it is not let":                 {cause: worker.ErrUnfit, pod: &fakePod{err: errors.New("403 Forbidden")}, asks: 1, says: "is not replaced"},
		"bad cards, and no pod":         {cause: worker.ErrUnfit},
		"a signal":                      {cause: context.Canceled, pod: &fakePod{}},
		"something else went wrong":     {cause: errors.New("no subscription"), pod: &fakePod{}},
		"it ends, and nothing is wrong": {pod: &fakePod{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logs bytes.Buffer
				p := &platform{log: slog.New(slog.NewTextHandler(&logs, nil))}
				if tc.pod != nil {
					p.pod = tc.pod
				}
				leave := make(chan struct{})
				if tc.leave > 0 {
					time.AfterFunc(tc.leave, func() { close(leave) })
				}
				intake, stop := context.WithCancelCause(t.Context())
				stop(tc.cause)
				began := time.Now()
				p.replace(t.Context(), intake, leave)
				if took := time.Since(began); took != tc.leaves || !strings.Contains(logs.String(), tc.says) {
					t.Errorf("it leaves after %s, want %s; logged %s", took, tc.leaves, logs.String())
				}
				if tc.pod != nil && tc.pod.asked != tc.asks {
					t.Errorf("its deletion is asked for %d times, want %d", tc.pod.asked, tc.asks)
				}
			})
		})
	}
}

func TestAnExecutorOfNoPodStaysWhateverItsMachineIsLike(t *testing.T) {
	t.Parallel()
	intake, end := context.WithCancelCause(t.Context())
	if unfit := (&platform{}).unfit(end); unfit != nil {
		t.Error("it leaves, and nothing takes its place")
	}
	(&platform{pod: &fakePod{}}).unfit(end)()
	if cause := context.Cause(intake); !errors.Is(cause, worker.ErrUnfit) {
		t.Errorf("a pod's intake ends with %v, want %v", cause, worker.ErrUnfit)
	}
}
