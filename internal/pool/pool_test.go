package pool

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

const threePools = `[
 {"name":"cpu","kind":"run-job","cpus":4,"ram":"16gb","hdd":"20gb","max_instances":10},
 {"name":"gpu-t4","gpus":1,"gpu_slots":4,"gpu_mem":"16gb","cpus":3,"ram":"12gb","hdd":"100gb","kind":"gke"},
 {"name":"gpu-a100","gpus":8,"gpu_slots":8,"gpu_mem":"40gb","cpus":90,"ram":"600gb","hdd":"2tb","kind":"gke"}]`

func pools(t *testing.T) List {
	t.Helper()
	l, err := Parse(threePools)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRouteTakesTheFirstPoolThatHoldsTheRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ask  request.Resources
		want string
	}{
		"nothing asked":                     {request.Resources{}, "cpu"},
		"processors":                        {request.Resources{CPUs: 4, RAM: 2e9}, "cpu"},
		"gpuMem beside gpus 0 asks no card": {request.Resources{CPUs: 1, GPUMem: 4e9}, "cpu"},
		"two slots fit one card":            {request.Resources{GPUs: 2}, "gpu-t4"},
		"all slots of a card":               {request.Resources{GPUs: 4, GPUMem: 16e9}, "gpu-t4"},
		"five slots need another card":      {request.Resources{GPUs: 5}, "gpu-a100"},
		"one card":                          {request.Resources{GPUCount: 1}, "gpu-t4"},
		"two cards":                         {request.Resources{GPUs: 2, GPUCount: 2}, "gpu-a100"},
		"much memory on each card":          {request.Resources{GPUs: 1, GPUMem: 16e9 + 1}, "gpu-a100"},
		"a card and many processors":        {request.Resources{GPUs: 1, CPUs: 4}, "gpu-a100"},
		"disk":                              {request.Resources{HDD: 50e9}, "gpu-t4"},
		"all that the largest has":          {request.Resources{GPUs: 64, GPUCount: 8, GPUMem: 40e9, CPUs: 90, RAM: 600e9, HDD: 2e12}, "gpu-a100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := pools(t).Route(tc.ask); err != nil || got.Name != tc.want {
				t.Errorf("Route = %s, %v; want %s", got.Name, err, tc.want)
			}
		})
	}
}

func TestNoFitNamesTheFieldAndTheLargestPool(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ask  request.Resources
		want NoFitError
	}{
		"slots":       {request.Resources{GPUs: 65}, NoFitError{Field: "gpus", Asked: "65", Pool: "gpu-a100", Has: "64"}},
		"cards":       {request.Resources{GPUs: 1, GPUCount: 16}, NoFitError{Field: "gpuCount", Asked: "16", Pool: "gpu-a100", Has: "8"}},
		"card memory": {request.Resources{GPUs: 1, GPUMem: 80e9}, NoFitError{Field: "gpuMem", Asked: "80 GB (80000000000 bytes)", Pool: "gpu-a100", Has: "40 GB (40000000000 bytes)"}},
		"processors":  {request.Resources{CPUs: 128}, NoFitError{Field: "cpus", Asked: "128", Pool: "gpu-a100", Has: "90"}},
		"memory":      {request.Resources{RAM: 1e12}, NoFitError{Field: "ram", Asked: "1.0 TB (1000000000000 bytes)", Pool: "gpu-a100", Has: "600 GB (600000000000 bytes)"}},
		"disk":        {request.Resources{HDD: math.MaxInt64}, NoFitError{Field: "hdd", Asked: "9.2 EB (9223372036854775807 bytes)", Pool: "gpu-a100", Has: "2.0 TB (2000000000000 bytes)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pools(t).Route(tc.ask)
			var got *NoFitError
			if !errors.As(err, &got) || *got != tc.want || !errors.Is(err, ErrNoFit) {
				t.Fatalf("Route = %#v, want %#v", err, tc.want)
			}
			for _, part := range []string{"resources_needed." + tc.want.Field, tc.want.Asked, tc.want.Pool, tc.want.Has} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
}

func TestNoFitSaysWhenOnlyTheCombinationIsTooMuch(t *testing.T) {
	t.Parallel()
	l := List{{Name: "wide", CPUs: 64, RAM: 8e9}, {Name: "tall", CPUs: 8, RAM: 64e9}}
	_, err := l.Route(request.Resources{CPUs: 16, RAM: 32e9})
	var got *NoFitError
	if want := (NoFitError{Field: "cpus", Asked: "16", Pool: "tall", Has: "8", Together: true}); !errors.As(err, &got) || *got != want {
		t.Errorf("Route = %#v, want %#v", err, want)
	}
}

func TestNoPoolsIsSaid(t *testing.T) {
	t.Parallel()
	if _, err := (List{}).Route(request.Resources{}); !errors.Is(err, ErrNoFit) || !strings.Contains(err.Error(), "has no pools") {
		t.Errorf("Route = %v", err)
	}
}

func TestCardsAndSlots(t *testing.T) {
	t.Parallel()
	p := Pool{GPUs: 4, GPUSlots: 4}
	for name, tc := range map[string]struct {
		ask          request.Resources
		cards, slots int
	}{
		"nothing":                    {request.Resources{GPUMem: 1}, 0, 0},
		"slots of one card":          {request.Resources{GPUs: 3}, 1, 3},
		"slots of two cards":         {request.Resources{GPUs: 5}, 2, 5},
		"cards alone are whole":      {request.Resources{GPUCount: 2}, 2, 8},
		"a slot on each card":        {request.Resources{GPUs: 1, GPUCount: 2}, 2, 2},
		"slots that need more cards": {request.Resources{GPUs: 9, GPUCount: 2}, 3, 9},
	} {
		if cards, slots := p.Cards(tc.ask), p.SlotsNeeded(tc.ask); cards != tc.cards || slots != tc.slots {
			t.Errorf("%s: %d cards, %d slots; want %d, %d", name, cards, slots, tc.cards, tc.slots)
		}
	}
	if got := (Pool{}).Cards(request.Resources{GPUs: 1, GPUCount: 1}); got != 1 {
		t.Errorf("a pool without cards: %d", got)
	}
}

func TestParseNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse(`[{"name":"A","kind":"vm","gpus":1,"gpu_slots":0,"cpus":0,"ram":"much","hdd":-1},
		{"name":"ok","kind":"gke","cpus":1,"ram":1,"hdd":"1gb"}, {"name":"ok","kind":"gke","cpus":1,"ram":1,"hdd":1}, 7]`)
	if err == nil {
		t.Fatal("Parse accepted it")
	}
	for _, part := range []string{
		"pools[0].name", "pools[0].kind", "pools[0].gpu_slots", "pools[0].gpu_mem", "pools[0].cpus", "pools[0].ram", "pools[0].hdd",
		`pools[2].name: "ok" is pools[1]'s already`, "pools[3]: ",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nlacks %s", err, part)
		}
	}
	for _, text := range []string{"", "[]", "{}", "[", "null"} {
		if l, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v", text, l)
		}
	}
}

func TestLoadTakesTextOrAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pools.json")
	if err := os.WriteFile(path, []byte(threePools), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, " " + threePools} {
		l, err := Load(from)
		if err != nil || len(l) != 3 {
			t.Fatalf("Load = %v, %v", l, err)
		}
		p, ok := l.Find("gpu-t4")
		if want := (Pool{Name: "gpu-t4", Kind: KindGKE, GPUs: 1, GPUSlots: 4, GPUMem: 16e9, CPUs: 3, RAM: 12e9, HDD: 100e9}); !ok || p != want {
			t.Errorf("Find = %+v, %t", p, ok)
		}
		if _, ok := l.Find("none"); ok {
			t.Error("Find found none")
		}
	}
	if _, err := Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load = %v", err)
	}
}

func TestTopic(t *testing.T) {
	t.Parallel()
	if got := Topic("gpu-t4"); got != "studio-requests-gpu-t4" {
		t.Error(got)
	}
}

func TestAPoolSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	p := Pool{Name: "cpu", CPUs: 4, RAM: 1 << 30, HDD: 1 << 30}
	if lacks := p.Lacks(request.Resources{CPUs: 4}); lacks != nil {
		t.Errorf("Lacks = %v for what it holds", lacks)
	}
	if lacks := p.Lacks(request.Resources{GPUs: 1, CPUs: 8}); lacks == nil || lacks.Field != "gpus" || lacks.Asked != "1" || lacks.Has != "0" {
		t.Errorf("Lacks = %+v; want gpus, 1 of 0", lacks)
	}
}
