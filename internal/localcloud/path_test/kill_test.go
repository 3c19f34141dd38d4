//go:build integration

package path_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/program"
)

// once prints its lines once to each run.
const once = `print("began"); print("reached the end")`

func TestABridgeThatIsKilledLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	events := s.events(t)
	bridge := s.cloud.Program("bridge")
	var keys []string
	for round := range 5 {
		pid := bridge.PID()
		for range 4 {
			keys = append(keys, s.submit(t, submission(t, fmt.Sprint(len(keys)), once)).Key)
		}
		if round%2 == 0 { // in every other round it dies before it has the messages, or with them in hand
			next(t, events, event.Relayed)
		}
		kill(t, bridge)
		eventually(t, func(context.Context) (bool, string) { return bridge.PID() != pid, "the bridge is not started again" })
	}
	s.expectOneRunEach(t, keys)
}

func TestAnExperimentWhoseExecutorIsKilledResumesFromWhatWasSaved(t *testing.T) {
	t.Parallel()
	s := setup(t, map[string]string{"LEASE": "9s", "HEARTBEAT": "1s"})
	key := s.submit(t, submission(t, "", `
import pathlib, time
state = pathlib.Path("../modeldir/state")
if state.exists():
    print("resumed from", state.read_text())
    print("reached the end")
else:
    state.write_text("step 1")
    print("step 1 done", flush=True)
    time.sleep(600)
`)).Key
	eventually(t, func(ctx context.Context) (bool, string) {
		output, _ := s.output(ctx, t, key)
		dir := t.TempDir()
		err := s.Get(ctx, key, "modeldir", dir)
		state, _ := os.ReadFile(filepath.Join(dir, "state"))
		return strings.Contains(output, "step 1 done") && string(state) == "step 1", fmt.Sprintf("saved are %q and %q (%v)", output, state, err)
	})
	kill(t, s.cloud.Program("executor-local-cpu"))
	output := s.completed(t, key)
	for _, line := range []string{"step 1 done", "Attempt 2 begins here", "resumed from step 1", "reached the end"} {
		if strings.Count(output, line) != 1 {
			t.Errorf("output = %q; want %q once", output, line)
		}
	}
	attempts := s.attempts(t, key)
	if len(attempts) != 2 || attempts[0].Outcome != "abandoned" || attempts[1].Outcome != "completed" {
		t.Errorf("attempts are %+v; want an abandoned and a completed one", attempts)
	}
}

func TestAFinalizeThatIsKilledAtTheEndOfExperimentsFinishesThemLater(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	saved, finished := s.events(t), s.events(t)
	finalize := s.cloud.Program("finalize")
	var keys []string
	for i := range 6 {
		keys = append(keys, s.submit(t, submission(t, fmt.Sprint(i), once)).Key)
	}
	for range 3 {
		next(t, saved, event.Saved)
		if err := finalize.Kill(); err != nil { // may be dead of the last one
			t.Fatal(err)
		}
	}
	if deaths, _ := finalize.Deaths(); deaths == 0 {
		t.Error("finalize was never killed")
	}
	s.expectOneRunEach(t, keys)
	told := map[string]bool{}
	for len(told) < len(keys) { // the event is as good as the record
		told[next(t, finished, event.Finished).Experiment] = true
	}
}

func TestABrokerThatIsKilledKeepsWhatItHasConfirmed(t *testing.T) {
	t.Parallel()
	s := setup(t, nil)
	var keys []string
	for round := range 3 {
		for range 4 {
			sub := submission(t, fmt.Sprint(len(keys)), once)
			sub.Queue = fmt.Sprintf("%s_%d", queue, round) // a new one is not read at once
			keys = append(keys, s.submit(t, sub).Key)
		}
		if err := s.cloud.Broker.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.cloud.Broker.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.expectOneRunEach(t, keys)
}

// kill kills a program and waits for its death.
func kill(t *testing.T, p *program.Program) {
	t.Helper()
	_, died := p.Deaths()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) (bool, string) {
		select {
		case <-died:
			return true, ""
		default:
			return false, "the program lives on"
		}
	})
}

// expectOneRunEach waits until all experiments have completed, each in one attempt that ran once.
func (s *studio) expectOneRunEach(t *testing.T, keys []string) {
	t.Helper()
	for _, key := range keys {
		output := s.completed(t, key)
		if strings.Count(output, "began\n") != 1 || strings.Count(output, "reached the end\n") != 1 {
			t.Errorf("the output of %s is %q; want one run", key, output)
		}
		if n := len(s.attempts(t, key)); n != 1 {
			t.Errorf("%s has %d attempts; want 1", key, n)
		}
	}
}

// logged tells whether a program has logged a line with all of the texts.
func (s *studio) logged(t *testing.T, program string, texts ...string) bool {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(s.cloud.LogDir, program+".log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return true
		}
	}
	return false
}
