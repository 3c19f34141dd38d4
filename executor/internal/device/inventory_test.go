package device

import (
	"errors"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a library over well cards that a test can spoil.
type machine struct{ *server.Server }

func newMachine(s *server.Server) machine {
	m := machine{s}
	for i := range m.Devices {
		c := m.card(i)
		c.GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) { return 3, nvml.SUCCESS }
		c.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 1, 1, false, false, nvml.SUCCESS }
		c.GetRetiredPagesPendingStatusFunc = func() (nvml.EnableState, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
		c.GetSupportedEventTypesFunc = func() (uint64, nvml.Return) {
			return nvml.EventTypeXidCriticalError | nvml.EventTypeClock, nvml.SUCCESS
		}
		c.RegisterEventsFunc = func(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS }
	}
	return m
}

func (m machine) card(i int) *server.Device { return m.Devices[i].(*server.Device) }

// divide puts card i into MIG mode, with room for more parts than there are.
func (m machine) divide(i int, parts ...string) {
	c := m.card(i)
	c.MigMode = nvml.DEVICE_MIG_ENABLE
	c.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	c.GetMigDeviceHandleByIndexFunc = func(index int) (nvml.Device, nvml.Return) {
		if index >= len(parts) {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return &mock.Device{
			GetUUIDFunc:       func() (string, nvml.Return) { return parts[index], nvml.SUCCESS },
			GetNameFunc:       func() (string, nvml.Return) { return "MIG 1g.5gb", nvml.SUCCESS },
			GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 5 << 30}, nvml.SUCCESS },
		}, nvml.SUCCESS
	}
}

func open(t *testing.T, lib nvml.Interface) *Inventory {
	t.Helper()
	i, err := Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(i.Close(), i.Close()); err != nil {
			t.Error(err)
		}
	})
	return i
}

func TestEveryCardIsListed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		server *server.Server
		card   string
		memory int64
	}{
		"A100": {dgxa100.New(), "Mock NVIDIA A100-SXM4-40GB", 40 << 30},
		"H100": {dgxh100.New(), "NVIDIA H100 80GB HBM3", 80 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			devices := open(t, newMachine(tc.server)).Devices()
			if len(devices) != 8 {
				t.Fatalf("%d devices", len(devices))
			}
			for i, d := range devices {
				want := Device{UUID: tc.server.Devices[i].(*server.Device).UUID, Name: tc.card, Memory: tc.memory}
				if d != want {
					t.Errorf("device %d = %+v, want %+v", i, d, want)
				}
			}
		})
	}
}

func TestMachineWithoutGPUsIsOrdinary(t *testing.T) {
	t.Parallel()
	for _, ret := range []nvml.Return{nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED} {
		i := open(t, &mock.Interface{InitFunc: func() nvml.Return { return ret }})
		if len(i.Devices()) > 0 || len(i.Check(t.Context())) > 0 || i.Healthy("GPU-x") != nil || i.Watch(t.Context(), nil) != nil {
			t.Errorf("%v: something is there", ret)
		}
	}
}

func TestThisMachinesLibraryOpensOrIsAbsent(t *testing.T) {
	t.Parallel()
	open(t, nvml.New())
}

func TestBrokenLibraryIsAnError(t *testing.T) {
	t.Parallel()
	lib := &mock.Interface{InitFunc: func() nvml.Return { return nvml.ERROR_LIB_RM_VERSION_MISMATCH }}
	if _, err := Open(lib); !errors.Is(err, nvml.ERROR_LIB_RM_VERSION_MISMATCH) {
		t.Errorf("Open = %v", err)
	}
	m := newMachine(dgxa100.New())
	stopped := 0
	m.ShutdownFunc = func() nvml.Return { stopped++; return nvml.SUCCESS }
	m.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_UNKNOWN }
	if _, err := Open(m); !errors.Is(err, nvml.ERROR_UNKNOWN) || stopped != 1 {
		t.Errorf("Open = %v, stopped %d times", err, stopped)
	}
}

func TestDividedCardIsListedByItsParts(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxa100.New())
	m.divide(0, "MIG-a", "MIG-b")
	m.divide(1) // nothing was made of it yet
	devices := open(t, m).Devices()
	if len(devices) != 8 {
		t.Fatalf("devices %+v", devices)
	}
	for i, want := range []string{"MIG-a", "MIG-b"} {
		if d := devices[i]; d.UUID != want || d.Card != m.card(0).UUID || d.Memory != 5<<30 {
			t.Errorf("device %d = %+v", i, d)
		}
	}
}

func TestDividedCardWhosePartsAreNotToldIsNotOffered(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxa100.New())
	m.divide(0)
	m.card(0).GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	if devices := open(t, m).Devices(); len(devices) != 7 || devices[0].UUID != m.card(1).UUID {
		t.Errorf("devices %+v", devices)
	}
}

func TestCardThatDoesNotAnswerIsNotOffered(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxa100.New())
	m.card(2).GetUUIDFunc = func() (string, nvml.Return) { return "", nvml.ERROR_GPU_IS_LOST }
	if devices := open(t, m).Devices(); len(devices) != 7 {
		t.Errorf("devices %+v", devices)
	}
}

func TestOldDriverIsNotAskedWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	m := newMachine(dgxa100.New())
	m.LookupSymbolFunc = func(string) error { return errors.New("undefined symbol") }
	for i := range m.Devices {
		m.card(i).GetMigModeFunc, m.card(i).GetRemappedRowsFunc = nil, nil // the mock panics
	}
	i := open(t, m)
	if faults := i.Check(t.Context()); len(i.Devices()) != 8 || len(faults) > 0 {
		t.Errorf("%d devices, faults %v", len(i.Devices()), faults)
	}
}
