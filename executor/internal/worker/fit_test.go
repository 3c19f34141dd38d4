package worker

import (
	"log/slog"
	"strconv"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// Requests that such an executor cannot hold would come to it again and again, faster than to those that work on others. Where
// no other takes its place, it would be started again with the same cards, again and again.
func TestAnExecutorWhoseCardsWentBadTakesNothingMoreWhereAnotherTakesItsPlace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cards, listed int
		whole         bool
		bad           []int
		leaves        bool
	}{
		"its only card, and another takes its place": {1, 1, true, []int{0}, true},
		"its only card, on a machine of its own":     {1, 1, false, []int{0}, false},
		"one of two, and another takes its place":    {2, 2, true, []int{1}, true},
		"one of two, on a machine of its own":        {2, 2, false, []int{1}, false},
		"two of two, on a machine of its own":        {2, 2, false, []int{1, 0}, false},
		"one that its pool does not list":            {2, 1, true, []int{1}, false},
		"one of two where the pool lists three":      {2, 3, false, []int{0}, false},
		"a card of a machine for work without any":   {1, 0, true, []int{0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pool.Pool{Name: "gpu", GPUs: tc.listed, GPUSlots: 1, GPUMem: 16_000_000_000, CPUs: 4}
			var cards []device.Device
			for i := range tc.cards {
				cards = append(cards, device.Device{UUID: strconv.Itoa(i)})
			}
			leaves := false
			w := &Worker{
				Config: Config{Pool: p, Whole: tc.whole}, Allocator: device.NewAllocator(p, cards),
				Unfit: func() { leaves = true }, Log: slog.New(slog.DiscardHandler),
			}
			for _, i := range tc.bad {
				if leaves {
					t.Fatal("it leaves too early")
				}
				w.condemn(&device.Fault{UUID: strconv.Itoa(i), Reason: "Xid 79"})
			}
			if leaves != tc.leaves {
				t.Errorf("it leaves: %t, want %t", leaves, tc.leaves)
			}
		})
	}
}
