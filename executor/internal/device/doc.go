// Package device knows the executor's GPUs: which there are, whether they are well, and who may use which part of the pod.
//
// It is the only package that calls NVIDIA's management library. An [Inventory] lists what can be used: whole cards, or
// the MIG devices of a card that is divided. [Inventory.Check] and [Inventory.Watch] find cards that went bad; nothing but
// a new process takes that back. An [Allocator] lends cards, slots, memory, processors and disk to experiments, in the
// order in which they ask, out of what the pool promises for one pod. Routing decides by the same promise, so that a
// request which was routed here can be held here. It stands between the claim of an experiment and its start.
//
// A machine without the library, the driver or a card is an ordinary one: its inventory is empty, and nothing here fails.
//
// Errors: [ErrNeverFits] is the same on every retry in this pool. [ErrTooFewCards] and a [*Fault] are the
// infrastructure's: another executor of the pool may do better.
package device
