package pyenv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
)

const mb = 1 << 20

// setupSized returns a manager whose environments take 1 MB each, and as much of the tenant's cache where they are linked.
func setupSized(t *testing.T, limit int64, linked bool) bundle {
	t.Helper()
	b := setup(t, "3.11.4")
	b.cfg.Limit = limit
	b.programs.onFill = func(_ context.Context, s process.Spec) (int, error) {
		file := filepath.Join(filepath.Dir(filepath.Dir(s.Argv[4])), "package")
		if err := os.WriteFile(file, make([]byte, mb), 0o644); err != nil {
			return 1, err
		}
		if linked {
			return 0, os.Link(file, filepath.Join(cacheOf(s), filepath.Base(filepath.Dir(file))))
		}
		return 0, nil
	}
	return b
}

func cacheOf(s process.Spec) string {
	for _, v := range s.Env {
		if dir, ok := strings.CutPrefix(v, "UV_CACHE_DIR="); ok {
			return dir
		}
	}
	return ""
}

// spec is the nth environment that a test asks for.
func spec(n int) Spec {
	return Spec{Tenant: "t", Requirements: []string{fmt.Sprintf("package==%d", n)}}
}

func (b bundle) mustEvict(t *testing.T) {
	t.Helper()
	if err := b.evict(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasUsedLongestAgoIsRemovedAndNothingThatIsInUse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limit   int64
		holds   []int // those that are not released
		sibling []int // those that another executor uses
		again   []int // those that are used once more
		linked  bool
		want    string
	}{
		"there is room":                 {limit: 6 * mb, want: "[0 1 2 3]"},
		"no limit":                      {want: "[0 1 2 3]"},
		"the oldest go":                 {limit: 2*mb + mb/2, want: "[2 3]"},
		"who is used again is young":    {limit: 2*mb + mb/2, again: []int{0}, want: "[0 3]"},
		"what is used stays":            {limit: 2*mb + mb/2, holds: []int{0, 1}, want: "[0 1]"},
		"even where that is too much":   {limit: 1, holds: []int{0, 1, 2, 3}, want: "[0 1 2 3]"},
		"also if another executor does": {limit: mb + mb/2, sibling: []int{0}, want: "[0]"},
		"links count once":              {limit: 4*mb + mb/2, linked: true, want: "[0 1 2 3]"},
		"and free nothing by halves":    {limit: 2*mb + mb/2, linked: true, want: "[2 3]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupSized(t, tc.limit, tc.linked)
			held := map[int]Environment{}
			for i := range 4 {
				held[i] = b.mustEnsure(t, spec(i))
			}
			for _, i := range tc.sibling {
				env, err := b.sibling().Ensure(t.Context(), spec(i))
				if err != nil {
					t.Fatal(err)
				}
				defer env.Release()
			}
			for _, i := range tc.holds {
				defer held[i].Release()
				delete(held, i)
			}
			for i := range 4 { // in this order
				held[i].Release()
			}
			for _, i := range tc.again {
				b.mustEnsure(t, spec(i)).Release()
			}
			if tc.limit > 0 {
				b.mustEvict(t)
			}
			if got := fmt.Sprint(b.there(4)); got != tc.want {
				t.Errorf("there are %s, want %s", got, tc.want)
			}
		})
	}
}

// there tells which of the first environments are there, without using them.
func (b bundle) there(n int) (list []int) {
	list = []int{}
	py := Interpreter{Path: filepath.Join(b.bin, "3.11.4", "python"), Version: "3.11.4"}
	for i := range n {
		if _, ok := b.finished(job{tenant: "t", python: py, requirements: spec(i).Requirements}); ok {
			list = append(list, i)
		}
	}
	return list
}

func TestAnEnvironmentThatWasRemovedIsBuiltAgain(t *testing.T) {
	t.Parallel()
	b := setupSized(t, 1, false)
	b.mustEnsure(t, spec(0)).Release()
	b.mustEvict(t)
	env := b.mustEnsure(t, spec(0))
	defer env.Release()
	if env.Cached || b.programs.count("pip install") != 2 {
		t.Errorf("Ensure = %+v after %d builds", env, b.programs.count("pip install"))
	}
	if _, err := os.Stat(filepath.Join(b.cfg.Dir, "t", cacheName)); err != nil {
		t.Errorf("the cache's folder, which remembers its tenant's group: %v", err)
	}
}

func TestABuildThatFailsUsesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.4")
	b.programs.fails(1, "error: no such package\n")
	if _, err := b.Ensure(t.Context(), spec(0)); err == nil {
		t.Fatal("Ensure built what cannot be built")
	}
	files, err := filepath.Glob(filepath.Join(b.cfg.Dir, "t", "envs", "*.use"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := tryLock(files[0], syscall.LOCK_EX)
	if err != nil {
		t.Fatalf("it is still in use: %v", err)
	}
	_ = f.Close()
}

// Who takes an environment while it is being removed must find it whole or build it.
func TestNobodyLosesAnEnvironmentThatIsInUse(t *testing.T) {
	t.Parallel()
	b := setupSized(t, 1, true)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var evicting, using sync.WaitGroup
	evicting.Go(func() {
		for ctx.Err() == nil {
			if err := b.evict(ctx, slog.New(slog.DiscardHandler)); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 6 {
		using.Go(func() {
			for j := range 10 {
				env, err := b.Ensure(t.Context(), spec((i+j)%3))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(filepath.Join(env.Dir, "package")); err != nil || !usable(env.Dir) {
					t.Errorf("an environment in use is not whole: %v", err)
				}
				env.Release()
			}
		})
	}
	using.Wait()
	stop()
	evicting.Wait()
}

func TestRoomIsMadeAsSoonAsThereIsSomethingToRemove(t *testing.T) {
	t.Parallel()
	b := setupSized(t, mb+mb/2, false)
	told := make(lines, 10)
	ctx, stop := context.WithCancel(t.Context())
	var tending sync.WaitGroup
	tending.Go(func() { b.Tend(ctx, slog.New(slog.NewTextHandler(told, nil))) })
	first, second := b.mustEnsure(t, spec(0)), b.mustEnsure(t, spec(1))
	first.Release() // until now, nothing could go
	for !strings.Contains(<-told, "removed to make room") {
	}
	if got := fmt.Sprint(b.there(2)); got != "[1]" {
		t.Errorf("there are %s, want the one in use", got)
	}
	second.Release()
	stop()
	tending.Wait()
}

// lines are what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// Else one folder that cannot be removed would let the disk run full.
func TestWhatCannotBeRemovedKeepsNothingElseFromIt(t *testing.T) {
	t.Parallel()
	b := setupSized(t, 1, false)
	stuck := b.mustEnsure(t, spec(0))
	stuck.Release()
	b.mustEnsure(t, spec(1)).Release()
	b.stick(t, stuck)
	if err := b.evict(t.Context(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("evict does not say what stays")
	}
	if got := fmt.Sprint(b.there(2)); got != "[]" {
		t.Errorf("there are %s, want none", got)
	}
	if _, err := os.Stat(stuck.Dir); err != nil {
		t.Errorf("the test lets it be removed: %v", err)
	}
}

// stick makes an environment that cannot be removed: a folder is where its marker was.
func (b bundle) stick(t *testing.T, env Environment) {
	t.Helper()
	marker := env.Dir[:strings.LastIndex(env.Dir, "-")] + ".json"
	if err := errors.Join(os.Remove(marker), os.MkdirAll(filepath.Join(marker, "full"), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// Where the disk is nearly full, the limit is too high.
func TestRoomIsMadeBeyondTheLimitUntilThereIsEnough(t *testing.T) {
	t.Parallel()
	b := setupSized(t, 0, false)
	used := b.mustEnsure(t, spec(0))
	defer used.Release()
	for i := 1; i < 5; i++ {
		b.mustEnsure(t, spec(i)).Release()
	}
	enough := func() bool { return len(b.there(5)) <= 3 }
	if removed, err := b.Relieve(t.Context(), enough); removed != 2 || err != nil {
		t.Errorf("Relieve removed %d, %v; want the oldest two that are not used", removed, err)
	}
	if got := fmt.Sprint(b.there(5)); got != "[0 3 4]" {
		t.Errorf("there are %s, want [0 3 4]", got)
	}
	if removed, err := b.Relieve(t.Context(), func() bool { return false }); removed != 2 || err != nil {
		t.Errorf("Relieve removed %d, %v; want all that is not used", removed, err)
	}
	if got := fmt.Sprint(b.there(5)); got != "[0]" {
		t.Errorf("there are %s, want [0]", got)
	}
}

// What it downloaded stays, and the next one that fails downloads more.
func TestABuildThatFailsIsLookedAfterToo(t *testing.T) {
	t.Parallel()
	b := setup(t, "3.11.4")
	b.programs.fails(1, "error: no such package\n")
	if _, err := b.Ensure(t.Context(), spec(0)); err == nil {
		t.Fatal("Ensure built what cannot be built")
	}
	select {
	case <-b.evictor.wake:
	default:
		t.Error("nobody is told that the cache may have grown")
	}
}

// The locks of all that was ever built stay.
func TestWhatWasRemovedIsNotLookedAtAgain(t *testing.T) {
	t.Parallel()
	b := setupSized(t, 1, true)
	for i := range 3 {
		b.mustEnsure(t, spec(i)).Release()
	}
	if list, err := b.list(); len(list) != 4 || err != nil { // and the cache
		t.Errorf("there are %d, %v; want 4", len(list), err)
	}
	b.mustEvict(t)
	if list, err := b.list(); len(list) != 0 || err != nil {
		t.Errorf("there are %d, %v; want none", len(list), err)
	}
}
