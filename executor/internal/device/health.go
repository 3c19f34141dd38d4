package device

import (
	"context"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Fault says that a device must not be given new work, and that what runs on it cannot be trusted.
type Fault struct {
	UUID   string
	Reason string
}

func (f *Fault) Error() string { return fmt.Sprintf("GPU %s: %s", f.UUID, f.Reason) }

// Check asks every card for uncorrected memory errors since the inventory was opened, for rows or pages of its memory that
// wait for a reset to be replaced or cannot be replaced, and whether it is there at all. It returns the faults of all
// devices, earlier ones included. The library's calls cannot be interrupted: ctx is looked at between cards.
func (i *Inventory) Check(ctx context.Context) []*Fault {
	for _, c := range i.cards {
		if ctx.Err() != nil {
			break
		}
		if reason := i.examine(c); reason != "" {
			i.condemn(c.uuid, reason)
		}
	}
	var faults []*Fault
	for _, d := range i.devices {
		if f := i.fault(d); f != nil {
			faults = append(faults, f)
		}
	}
	return faults
}

// Healthy returns the [*Fault] of a device, or nil if none is known.
func (i *Inventory) Healthy(uuid string) error {
	for _, d := range i.devices {
		if d.UUID != uuid {
			continue
		}
		if f := i.fault(d); f != nil {
			return f
		}
	}
	return nil
}

func (i *Inventory) fault(d Device) *Fault {
	i.mu.Lock()
	defer i.mu.Unlock()
	if reason, ok := i.faults[d.on()]; ok {
		return &Fault{UUID: d.UUID, Reason: reason}
	}
	return nil
}

// condemn keeps the first reason, which is nearest to the cause. It tells whether there was none.
func (i *Inventory) condemn(card, reason string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, known := i.faults[card]; known {
		return false
	}
	i.faults[card] = reason
	return true
}

// on is the UUID of the card that the device is, or is part of.
func (d Device) on() string {
	if d.Card != "" {
		return d.Card
	}
	return d.UUID
}

// examine returns what is wrong with a card, or nothing. What a card or a driver does not support is not wrong.
func (i *Inventory) examine(c *card) string {
	if _, ret := c.handle.GetUUID(); !ok(ret) {
		return fmt.Sprintf("does not answer: %s", ret.Error())
	}
	n, ret := c.memoryErrors()
	switch {
	case gone(ret):
		return fmt.Sprintf("does not answer: %s", ret.Error())
	case ok(ret) && n > c.errors:
		return fmt.Sprintf("%d uncorrected memory errors", n-c.errors)
	}
	return i.memory(c)
}

// memoryErrors counts since the driver was loaded. A reset of the card sets the count back.
func (c *card) memoryErrors() (uint64, nvml.Return) {
	return c.handle.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC)
}

// memory looks at what the card does about bad memory: it replaces rows (Ampere and newer) or gives up pages.
func (i *Inventory) memory(c *card) string {
	if i.has("nvmlDeviceGetRemappedRows") { // since driver 450
		switch _, _, pending, failed, ret := c.handle.GetRemappedRows(); {
		case gone(ret):
			return fmt.Sprintf("does not answer: %s", ret.Error())
		case ok(ret) && failed:
			return "has bad memory that it could not replace"
		case ok(ret) && pending:
			return "has bad memory that only a reset replaces"
		case ok(ret):
			return ""
		}
	}
	if state, ret := c.handle.GetRetiredPagesPendingStatus(); ok(ret) && state == nvml.FEATURE_ENABLED {
		return "has bad memory that it stops using only after a reset"
	}
	return ""
}

func gone(ret nvml.Return) bool {
	return ret == nvml.ERROR_GPU_IS_LOST || ret == nvml.ERROR_RESET_REQUIRED
}
