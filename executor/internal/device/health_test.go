package device

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

func TestCheckFindsTheCardThatWentBad(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*server.Device)
		want  string
	}{
		"it is lost": {func(d *server.Device) {
			d.GetUUIDFunc = func() (string, nvml.Return) { return "", nvml.ERROR_GPU_IS_LOST }
		}, "does not answer"},
		"it is lost a moment later": {func(d *server.Device) {
			d.GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
				return 0, nvml.ERROR_GPU_IS_LOST
			}
		}, "does not answer"},
		"memory errors": {func(d *server.Device) {
			d.GetTotalEccErrorsFunc = func(kind nvml.MemoryErrorType, counter nvml.EccCounterType) (uint64, nvml.Return) {
				if kind != nvml.MEMORY_ERROR_TYPE_UNCORRECTED || counter != nvml.VOLATILE_ECC {
					return 0, nvml.SUCCESS
				}
				return 5, nvml.SUCCESS
			}
		}, "2 uncorrected memory errors"},
		"a row waits": {func(d *server.Device) {
			d.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 1, true, false, nvml.SUCCESS }
		}, "only a reset"},
		"a row cannot be replaced": {func(d *server.Device) {
			d.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 1, false, true, nvml.SUCCESS }
		}, "could not replace"},
		"a page waits on an older card": {func(d *server.Device) {
			d.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, false, false, nvml.ERROR_NOT_SUPPORTED }
			d.GetRetiredPagesPendingStatusFunc = func() (nvml.EnableState, nvml.Return) { return nvml.FEATURE_ENABLED, nvml.SUCCESS }
		}, "after a reset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(dgxh100.New())
			i := open(t, m)
			bad, good := m.card(3).UUID, m.card(4).UUID
			if faults := i.Check(t.Context()); len(faults) > 0 {
				t.Fatalf("faults of well cards: %v", faults)
			}
			tc.spoil(m.card(3))
			faults := i.Check(t.Context())
			var fault *Fault
			if len(faults) != 1 || !errors.As(i.Healthy(bad), &fault) || *fault != *faults[0] || fault.UUID != bad || !strings.Contains(fault.Error(), tc.want) {
				t.Errorf("faults %v, Healthy = %v", faults, i.Healthy(bad))
			}
			if err := i.Healthy(good); err != nil {
				t.Errorf("the next card: %v", err)
			}
		})
	}
}

func TestCardWithoutErrorCorrectionIsWell(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxh100.New())
	for i := range m.Devices {
		m.card(i).GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) {
			return 99, nvml.ERROR_NOT_SUPPORTED
		}
		m.card(i).GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, true, true, nvml.ERROR_NOT_SUPPORTED }
	}
	if faults := open(t, m).Check(t.Context()); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

func TestFaultStaysAndCoversEveryPartOfTheCard(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxh100.New())
	m.divide(0, "MIG-a", "MIG-b")
	i := open(t, m)
	well := m.card(0).GetRemappedRowsFunc
	m.card(0).GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, false, true, nvml.SUCCESS }
	i.Check(t.Context())
	m.card(0).GetRemappedRowsFunc = well
	if faults := i.Check(t.Context()); len(faults) != 2 || faults[0].UUID != "MIG-a" || faults[1].UUID != "MIG-b" {
		t.Errorf("faults %v", faults)
	}
}

// watch runs Watch over these events and returns what it reported. The last event ends it.
func watch(t *testing.T, m machine, events ...nvml.EventData) []Fault {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	freed := false
	m.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) {
		return &mock.EventSet{
			WaitFunc: func(uint32) (nvml.EventData, nvml.Return) {
				if len(events) == 0 {
					cancel()
					return nvml.EventData{}, nvml.ERROR_TIMEOUT
				}
				e := events[0]
				events = events[1:]
				return e, nvml.SUCCESS
			},
			FreeFunc: func() nvml.Return { freed = true; return nvml.SUCCESS },
		}, nvml.SUCCESS
	}
	var faults []Fault
	if err := open(t, m).Watch(ctx, func(f *Fault) { faults = append(faults, *f) }); err != nil || !freed {
		t.Errorf("Watch = %v, set freed: %t", err, freed)
	}
	return faults
}

func TestWatchReportsWhatTheDriverTells(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxh100.New())
	m.divide(1, "MIG-a", "MIG-b")
	xid := func(card int, number uint64) nvml.EventData {
		return nvml.EventData{Device: m.Devices[card], EventType: nvml.EventTypeXidCriticalError, EventData: number}
	}
	got := watch(t, m, xid(0, 31), xid(0, 79), xid(0, 48), xid(1, 94), nvml.EventData{Device: m.Devices[2], EventType: nvml.EventTypeDoubleBitEccError})
	want := []Fault{{m.card(0).UUID, "Xid 79"}, {"MIG-a", "Xid 94"}, {"MIG-b", "Xid 94"}, {m.card(2).UUID, "double-bit memory error"}}
	if !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
}

func TestEventOfACardThatCannotTellItsNameIsEveryCards(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxh100.New())
	lost := &mock.Device{GetUUIDFunc: func() (string, nvml.Return) { return "", nvml.ERROR_GPU_IS_LOST }}
	if got := watch(t, m, nvml.EventData{Device: lost, EventType: nvml.EventTypeXidCriticalError, EventData: 79}); len(got) != 8 {
		t.Errorf("faults %v", got)
	}
}

func TestWatchEndsWhereNoCardTellsEvents(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxh100.New())
	for i := range m.Devices {
		m.card(i).GetSupportedEventTypesFunc = func() (uint64, nvml.Return) { return 0, nvml.SUCCESS }
	}
	if got := watch(t, m); len(got) > 0 {
		t.Errorf("faults %v", got)
	}
}
