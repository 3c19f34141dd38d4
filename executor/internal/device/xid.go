package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// watchPoll is how long, in milliseconds, one wait for an event lasts, and so how late Watch sees that it should end.
const watchPoll = 1000

// Watch calls report for each device of a card at its first fault that the driver tells at once, an Xid or a double-bit
// error, until ctx ends: then it returns nil. It returns nil at once where there is nothing to watch. Faults of the
// program (an illegal address, say) are not the card's.
func (i *Inventory) Watch(ctx context.Context, report func(*Fault)) (err error) {
	if len(i.cards) == 0 {
		return nil
	}
	set, ret := i.lib.EventSetCreate()
	if !ok(ret) {
		return fmt.Errorf("make GPU event set: %w", ret)
	}
	defer func() {
		if ret := set.Free(); !ok(ret) {
			err = errors.Join(err, fmt.Errorf("free GPU event set: %w", ret))
		}
	}()
	if !i.register(set) {
		return nil
	}
	for ctx.Err() == nil {
		event, ret := set.Wait(watchPoll)
		switch {
		case ok(ret):
			i.event(event, report)
		case ret != nvml.ERROR_TIMEOUT:
			return fmt.Errorf("wait for GPU event: %w", ret)
		}
	}
	return nil
}

// register returns false when no card tells events.
func (i *Inventory) register(set nvml.EventSet) bool {
	watched := false
	for _, c := range i.cards {
		types, ret := c.handle.GetSupportedEventTypes()
		types &= nvml.EventTypeXidCriticalError | nvml.EventTypeDoubleBitEccError
		if ok(ret) && types != 0 && ok(c.handle.RegisterEvents(types, set)) {
			watched = true
		}
	}
	return watched
}

func (i *Inventory) event(e nvml.EventData, report func(*Fault)) {
	reason := "double-bit memory error"
	if e.EventType == nvml.EventTypeXidCriticalError {
		if programs(e.EventData) {
			return
		}
		reason = fmt.Sprintf("Xid %d", e.EventData)
	}
	uuid, ret := e.Device.GetUUID()
	for _, c := range i.cards {
		if ok(ret) && c.uuid != uuid {
			continue // a card that cannot tell which it is may be any
		}
		i.tell(c.uuid, reason, report)
	}
}

func (i *Inventory) tell(card, reason string, report func(*Fault)) {
	if !i.condemn(card, reason) {
		return
	}
	for _, d := range i.devices {
		if d.on() == card {
			report(&Fault{UUID: d.UUID, Reason: reason})
		}
	}
}

// programs tells the Xids that a program causes, from NVIDIA's "Xid Errors": graphics engine exception, memory page
// fault, reset channel verification, preemptive cleanup, video processor exception, context switch timeout.
func programs(xid uint64) bool {
	switch xid {
	case 13, 31, 43, 45, 68, 109:
		return true
	}
	return false
}
