package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kernel says nothing to a program whose memory is used up, and so its experimenter must hear it from us.
func TestAProgramThatIsKilledForMemoryIsToldSo(t *testing.T) {
	t.Parallel()
	const grow = "import os, sys; open(sys.argv[1], 'w').write('low 0\\noom_kill 4\\n'); "
	for name, tc := range map[string]struct {
		script, says, saysNot string
	}{
		"the program":             {grow + "os.kill(os.getpid(), 9)", "because the executor's memory was used up", "Most often"},
		"all that the shell told": {grow + "sys.exit(137)", "because the executor's memory was used up", ""},
		"a child of it":           {grow + "sys.exit(1)", "exit code 1. Meanwhile, the executor's memory was used up", ""},
		"somebody else":           {"import os; os.kill(os.getpid(), 9)", "Most often the machine ran out of memory", ""},
		"nobody":                  {"import sys; sys.exit(1)", "exit code 1. What it printed", "memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.worker.MemoryEvents = filepath.Join(filepath.Dir(b.worker.WorkDir), "memory.events")
			if err := os.WriteFile(b.worker.MemoryEvents, []byte("low 0\noom_kill 3\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(b.worker.MemoryEvents, 0o666); err != nil { // the program plays the kernel
				t.Fatal(err)
			}
			if got, err := b.worker.Handle(t.Context(), b.submit(submission{key: "k1", script: tc.script, args: []string{b.worker.MemoryEvents}})); got != Acknowledge || err != nil {
				t.Fatalf("Handle = %v, %v", got, err)
			}
			output, _ := b.output("k1")
			if !strings.Contains(output, tc.says) || tc.saysNot != "" && strings.Contains(output, tc.saysNot) {
				t.Errorf("output lacks %q or has %q:\n%s", tc.says, tc.saysNot, output)
			}
		})
	}
}
