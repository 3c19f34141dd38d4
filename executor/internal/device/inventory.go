package device

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Device is what CUDA can be pointed at: a card, or a MIG device of one.
type Device struct {
	UUID   string // as CUDA_VISIBLE_DEVICES takes it
	Name   string // "NVIDIA A100-SXM4-40GB"
	Memory int64  // bytes
	Card   string // UUID of the card that a MIG device is part of, else empty
}

// Inventory lists the GPUs that were there when it was opened. Its methods may be called from several goroutines.
type Inventory struct {
	lib     nvml.Interface
	cards   []*card
	devices []Device
	shut    func() error

	mu     sync.Mutex
	faults map[string]string // reason by card
}

// card is a GPU as the library sees it.
type card struct {
	handle nvml.Device
	uuid   string
	errors uint64 // uncorrected memory errors when the inventory was opened
}

// Open starts the library and lists the GPUs. A card that does not answer, and a divided one whose MIG devices the library
// does not tell, is left out.
func Open(lib nvml.Interface) (*Inventory, error) {
	i := &Inventory{lib: lib, faults: map[string]string{}, shut: func() error { return nil }}
	switch ret := lib.Init(); {
	case absent(ret):
		return i, nil
	case !ok(ret):
		return nil, fmt.Errorf("start NVML: %w", ret)
	}
	i.shut = sync.OnceValue(func() error {
		if ret := lib.Shutdown(); !ok(ret) {
			return fmt.Errorf("stop NVML: %w", ret)
		}
		return nil
	})
	if err := i.list(); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// absent tells an ordinary machine without GPUs from a fault.
func absent(ret nvml.Return) bool {
	return slices.Contains([]nvml.Return{nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_NOT_SUPPORTED}, ret)
}

func ok(ret nvml.Return) bool { return ret == nvml.SUCCESS }

// has tells whether the driver's library knows a function. Calling one that it does not know would end the process.
func (i *Inventory) has(symbol string) bool { return i.lib.Extensions().LookupSymbol(symbol) == nil }

func (i *Inventory) list() error {
	n, ret := i.lib.DeviceGetCount()
	if !ok(ret) {
		return fmt.Errorf("count GPUs: %w", ret)
	}
	for index := range n {
		handle, ret := i.lib.DeviceGetHandleByIndex(index)
		if !ok(ret) {
			continue // lost, or not ours
		}
		if device, ok := describe(handle); ok {
			i.add(handle, device)
		}
	}
	return nil
}

func describe(handle nvml.Device) (Device, bool) {
	uuid, ret := handle.GetUUID()
	if !ok(ret) {
		return Device{}, false
	}
	name, ret := handle.GetName()
	if !ok(ret) {
		name = "GPU"
	}
	memory, ret := handle.GetMemoryInfo()
	return Device{UUID: uuid, Name: name, Memory: int64(memory.Total)}, ok(ret) //nolint:gosec // far below 8 EiB
}

func (i *Inventory) add(handle nvml.Device, d Device) {
	c := &card{handle: handle, uuid: d.UUID}
	c.errors, _ = c.memoryErrors()
	parts := []Device{d}
	if i.divided(handle) {
		parts = migDevices(handle, d.UUID)
	}
	i.cards = append(i.cards, c)
	i.devices = append(i.devices, parts...)
}

// divided tells whether the card is in MIG mode: CUDA cannot use it as a whole then.
func (i *Inventory) divided(handle nvml.Device) bool {
	if !i.has("nvmlDeviceGetMigMode") { // before driver 450
		return false
	}
	mode, _, ret := handle.GetMigMode()
	return ok(ret) && mode == nvml.DEVICE_MIG_ENABLE
}

func migDevices(handle nvml.Device, uuid string) []Device {
	n, ret := handle.GetMaxMigDeviceCount()
	if !ok(ret) {
		return nil
	}
	var found []Device
	for index := range n {
		part, ret := handle.GetMigDeviceHandleByIndex(index)
		if !ok(ret) {
			continue // there may be fewer than the most
		}
		if d, ok := describe(part); ok {
			d.Card = uuid
			found = append(found, d)
		}
	}
	return found
}

// Devices returns what experiments can use, in the library's order.
func (i *Inventory) Devices() []Device { return slices.Clone(i.devices) }

// Close stops the library. Nothing else may be called afterwards, and [Inventory.Watch] must have returned. Closing twice is harmless.
func (i *Inventory) Close() error { return i.shut() }
