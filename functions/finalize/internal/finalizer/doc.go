// Package finalizer brings an experiment's record up to date when its output.tar is stored, and tells studio-events.
//
// Its place: the executor uploads `experiments/<key>/output.tar` to a tenant's store; Cloud Storage's event about that,
// through Eventarc, comes here as a CloudEvent; package record decides what the output changes.
//
// An event is a hint that comes at least once and in no order: the object's attributes are read as they are now, and its
// generation decides. The event that follows is published at every delivery whose generation the record has, under an id
// made of experiment, generation and type, so that a publish that failed after the record was written is made good.
//
// Cost does not grow with the archive: attributes, the metadata document up to 8 MiB, and else the last 64 KiB of the output
// by range reads.
//
// [Service.Receive] returns nil for what no retry can help, which it logs: another object, a bucket of no tenant, metadata that
// contradicts the name, an experiment without a record. Every error is transient and asks for redelivery.
package finalizer
