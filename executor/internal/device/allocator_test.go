package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

const gb = 1_000_000_000

// four is a pod with four cards of four slots.
func four() pool.Pool {
	return pool.Pool{Name: "gpu", GPUs: 4, GPUSlots: 4, GPUMem: 16 * gb, CPUs: 8, RAM: 32 * gb, HDD: 100 * gb}
}

func devices(n int) []Device {
	var list []Device
	for i := range n {
		list = append(list, Device{UUID: fmt.Sprintf("GPU-%d", i), Memory: 16 * gb})
	}
	return list
}

func acquire(t *testing.T, a *Allocator, r request.Resources) *Grant {
	t.Helper()
	g, err := a.Acquire(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// free reports whether r could be had now, without taking it.
func free(a *Allocator, r request.Resources) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, ok := a.take(needOf(a.pool, r))
	if ok {
		g.give()
	}
	return ok
}

func TestSlotsAndCardsArePlaced(t *testing.T) {
	t.Parallel()
	slot := request.Resources{GPUs: 1}
	for name, tc := range map[string]struct {
		before []request.Resources
		ask    request.Resources
		want   string
	}{
		"nothing asked":                  {ask: request.Resources{CPUs: 1}, want: ""},
		"memory alone asks for no card":  {ask: request.Resources{GPUMem: 4 * gb}, want: ""},
		"one slot":                       {ask: slot, want: "GPU-0"},
		"another slot fills the card":    {before: []request.Resources{slot}, ask: slot, want: "GPU-0"},
		"two slots on one card":          {before: []request.Resources{{GPUs: 3}}, ask: request.Resources{GPUs: 2}, want: "GPU-1"},
		"more slots than a card has":     {ask: request.Resources{GPUs: 6}, want: "GPU-0,GPU-1"},
		"a counted card is a whole one":  {before: []request.Resources{slot}, ask: request.Resources{GPUCount: 1}, want: "GPU-1"},
		"counted cards are distinct":     {ask: request.Resources{GPUs: 2, GPUCount: 2}, want: "GPU-0,GPU-1"},
		"fewer slots than cards":         {ask: request.Resources{GPUs: 1, GPUCount: 3}, want: "GPU-0,GPU-1,GPU-2"},
		"memory decides":                 {before: []request.Resources{{GPUs: 1, GPUMem: 10 * gb}}, ask: request.Resources{GPUs: 1, GPUMem: 8 * gb}, want: "GPU-1"},
		"unnamed memory counts a share":  {before: []request.Resources{slot}, ask: request.Resources{GPUs: 1, GPUMem: 13 * gb}, want: "GPU-1"},
		"a named little leaves the rest": {before: []request.Resources{{GPUs: 1, GPUMem: gb}}, ask: request.Resources{GPUs: 1, GPUMem: 13 * gb}, want: "GPU-0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := NewAllocator(four(), devices(4))
			for _, r := range tc.before {
				acquire(t, a, r)
			}
			g := acquire(t, a, tc.ask)
			if got := strings.Join(g.UUIDs, ","); got != tc.want || !slices.Equal(g.Env(), []string{"CUDA_VISIBLE_DEVICES=" + tc.want}) || g.Note != "" {
				t.Errorf("got %q, %q, note %q; want %q", got, g.Env(), g.Note, tc.want)
			}
		})
	}
}

func TestSlotsAreSpreadEvenlyOverCountedCardsOnly(t *testing.T) {
	t.Parallel()
	for r, want := range map[request.Resources][]int{
		{GPUs: 6}:              {4, 2},
		{GPUs: 6, GPUCount: 2}: {3, 3},
		{GPUs: 7, GPUCount: 3}: {3, 2, 2},
		{GPUCount: 2}:          {4, 4},
		{GPUs: 6, GPUCount: 1}: {3, 3},
	} {
		if got := needOf(four(), r).slots; !slices.Equal(got, want) {
			t.Errorf("%+v: slots %v, want %v", r, got, want)
		}
	}
}

func TestEverythingThatIsLentComesBack(t *testing.T) {
	t.Parallel()
	a := NewAllocator(four(), devices(4))
	all := request.Resources{GPUCount: 4, GPUMem: 16 * gb, CPUs: 8, RAM: 32 * gb, HDD: 100 * gb}
	for range 2 {
		g := acquire(t, a, all)
		for _, r := range []request.Resources{{GPUs: 1}, {CPUs: 1}, {RAM: 1}, {HDD: 1}} {
			if free(a, r) {
				t.Errorf("%+v is still free", r)
			}
		}
		g.Release()
		g.Release()
	}
	if !free(a, all) {
		t.Error("not everything came back")
	}
}

func TestWhatThePoolDoesNotHaveNeverFits(t *testing.T) {
	t.Parallel()
	a := NewAllocator(four(), devices(8))
	for name, r := range map[string]request.Resources{
		"gpuCount": {GPUCount: 5}, "gpus": {GPUs: 17}, "gpuMem": {GPUs: 1, GPUMem: 17 * gb},
		"cpus": {CPUs: 9}, "ram": {RAM: 33 * gb}, "hdd": {HDD: 101 * gb},
	} {
		if _, err := a.Acquire(t.Context(), r); !errors.Is(err, ErrNeverFits) || !strings.Contains(err.Error(), "resources_needed."+name) {
			t.Errorf("%s: Acquire = %v", name, err)
		}
	}
}

func TestAcquireIsFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAllocator(four(), devices(4))
		first := acquire(t, a, request.Resources{CPUs: 5})
		served := make(chan int, 3)
		grants := make(chan *Grant, 3)
		for i, cpus := range []int{6, 1, 1} {
			go func() {
				g, err := a.Acquire(t.Context(), request.Resources{CPUs: cpus})
				if err != nil {
					t.Error(err)
				}
				served <- i
				grants <- g
			}()
			synctest.Wait()
		}
		if len(served) > 0 {
			t.Fatal("a small request overtook the large one")
		}
		first.Release()
		synctest.Wait()
		if len(served) != 3 {
			t.Fatalf("%d of 3 were served", len(served))
		}
		for range 3 {
			(<-grants).Release()
		}
		if !free(a, request.Resources{CPUs: 8}) {
			t.Error("not everything came back")
		}
	})
}

func TestWaiterWhoLeavesLetsTheNextThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAllocator(four(), devices(4))
		first := acquire(t, a, request.Resources{CPUs: 5})
		why := errors.New("drained")
		ctx, cancel := context.WithCancelCause(t.Context())
		left := make(chan error, 1)
		go func() { _, err := a.Acquire(ctx, request.Resources{CPUs: 8}); left <- err }()
		synctest.Wait()
		got := make(chan *Grant, 1)
		go func() { g, _ := a.Acquire(t.Context(), request.Resources{CPUs: 3}); got <- g }()
		synctest.Wait()
		cancel(why)
		if err := <-left; !errors.Is(err, why) {
			t.Errorf("Acquire = %v", err)
		}
		(<-got).Release()
		first.Release()
		if !free(a, request.Resources{CPUs: 8}) {
			t.Error("not everything came back")
		}
	})
}

func TestEndedContextGetsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if g, err := NewAllocator(four(), nil).Acquire(ctx, request.Resources{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire = %v, %v", g, err)
	}
}

func TestNothingIsLostInARushOfWaitersAndLeavers(t *testing.T) {
	t.Parallel()
	a := NewAllocator(four(), devices(4))
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			g, err := a.Acquire(ctx, request.Resources{GPUs: i%7 + 1, CPUs: i % 9, RAM: int64(i) * gb / 20})
			if err == nil {
				g.Release()
			}
		})
	}
	wg.Wait()
	if !free(a, request.Resources{GPUCount: 4, CPUs: 8, RAM: 32 * gb}) || len(a.waiting) > 0 {
		t.Errorf("cards %+v, %d processors, %d waiting", a.cards, a.cpus, len(a.waiting))
	}
}

func TestPoolsCardsThatAreNotThereAreSaidToBeMissing(t *testing.T) {
	t.Parallel()
	a := NewAllocator(four(), nil)
	g := acquire(t, a, request.Resources{GPUs: 16})
	if len(g.UUIDs) > 0 || !slices.Equal(g.Env(), []string{"CUDA_VISIBLE_DEVICES="}) || !strings.Contains(g.Note, "has no GPU although its pool gpu lists GPUs") {
		t.Errorf("grant %q, note %q", g.Env(), g.Note)
	}
	if free(a, request.Resources{GPUs: 1}) {
		t.Error("slots are not counted")
	}
	if g := acquire(t, a, request.Resources{CPUs: 1}); g.Note != "" {
		t.Errorf("who asked for no GPU is told %q", g.Note)
	}
}

func TestExecutorWithFewerCardsThanItsPoolSaysSo(t *testing.T) {
	t.Parallel()
	a := NewAllocator(four(), devices(1))
	if _, err := a.Acquire(t.Context(), request.Resources{GPUCount: 2}); !errors.Is(err, ErrTooFewCards) || errors.Is(err, ErrNeverFits) {
		t.Errorf("Acquire = %v", err)
	}
	acquire(t, a, request.Resources{GPUCount: 1})
}

func TestBadCardGetsNoNewWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAllocator(four(), devices(2))
		running := acquire(t, a, request.Resources{GPUCount: 1})
		waits := make(chan error, 1)
		go func() { _, err := a.Acquire(t.Context(), request.Resources{GPUCount: 2}); waits <- err }()
		synctest.Wait()
		a.Retire(running.UUIDs...)
		if err := <-waits; !errors.Is(err, ErrTooFewCards) {
			t.Errorf("who waits for both cards got %v", err)
		}
		running.Release()
		if g := acquire(t, a, request.Resources{GPUs: 1}); g.UUIDs[0] == running.UUIDs[0] {
			t.Errorf("the bad card was lent again")
		}
	})
}

func TestSeveralMIGDevicesComeWithAWarning(t *testing.T) {
	t.Parallel()
	parts := devices(4)
	for i := range parts {
		parts[i].Card = "GPU-whole"
	}
	a := NewAllocator(four(), parts)
	if g := acquire(t, a, request.Resources{GPUCount: 1}); g.Note != "" {
		t.Errorf("one: note %q", g.Note)
	}
	if g := acquire(t, a, request.Resources{GPUCount: 2}); !strings.Contains(g.Note, "2 MIG devices") {
		t.Errorf("two: note %q", g.Note)
	}
}
