package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// MemoryEvents is where a container sees its own control group's (version 2).
const MemoryEvents = "/sys/fs/cgroup/memory.events"

// oomKills counts the processes that the kernel has ended in this container because its memory was used up. It is false where
// that cannot be known, as with version 1.
func (w *Worker) oomKills() (int64, bool) {
	text, err := os.ReadFile(w.MemoryEvents)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// watchMemory returns what tells whether the kernel has ended a process of this container since.
func (w *Worker) watchMemory() (ranOut func() bool) {
	before, ok := w.oomKills()
	return func() bool {
		now, still := w.oomKills()
		return ok && still && now > before
	}
}

// killed is the exit code of a program whose child was killed, as shells count, and which tells that with its own.
const killed = 128 + int(syscall.SIGKILL)

// failure is the sentence for a program that ended badly. The memory is the executor's: what of it ran out may have been another
// experiment's, if a program tells nothing of a kill.
func failure(exitCode int, signal syscall.Signal, ranOut bool) string {
	switch {
	case ranOut && (signal == syscall.SIGKILL || exitCode == killed):
		return "The program was killed because the executor's memory was used up. Ask for more ram, or use less: what lies in /dev/shm counts too."
	case signal != 0:
		return killedBy(signal)
	case ranOut:
		return fmt.Sprintf("The program ended with exit code %d. Meanwhile, the executor's memory was used up, and the kernel killed a process: if it was one of this program, such as a data loader, ask for more ram, or use less. "+
			"What it printed above may say more.", exitCode)
	default:
		return fmt.Sprintf("The program ended with exit code %d. What it printed above says why; mend it and submit the experiment again.", exitCode)
	}
}

func killedBy(s syscall.Signal) string {
	hint := "What it printed above may say why."
	if s == syscall.SIGKILL {
		hint = "Most often the machine ran out of memory: ask for more ram, or use less."
	}
	return fmt.Sprintf("The program was ended by a signal (%s). %s", s, hint)
}
