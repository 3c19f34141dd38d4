// Package event publishes and reads what happens to experiments: CloudEvents 1.0 on the topic `studio-events`, in the
// binary mode of the Pub/Sub binding.
//
// The bridge, the executor and finalize publish; studioctl, tests and downstream tools read. An event tells of a fact
// that is already on record elsewhere, so publishing is best effort: [Publisher.Publish] returns nil only when Pub/Sub
// has the event, and its caller logs an error and goes on. The same fact has the same id however often it is told, and
// the events of one experiment come in the order of their publishing, its key being their ordering key; only a burst of
// `relayed` events goes without.
//
// Errors of [Parse] wrap [ErrInvalid] and are permanent. The data of each type has its JSON Schema in docs/events.
package event
