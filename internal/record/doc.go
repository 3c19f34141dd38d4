// Package record keeps the experiment record, `experiments/<key>` in a tenant's metadata bucket: the client's own JSON,
// to which the project adds one member, `cloud`. It decides who may run an experiment and how it ended.
//
// Its place: the executor claims, renews, releases and (where there is no output) ends; functions/finalize records
// checkpoints and the end; studioctl reads. Clients write `status: waiting` to have an experiment run and
// `status: stopped` to stop it, without preconditions and at any time.
//
// Every write is conditional on the generation that was read and is decided anew after a 412, with jittered pauses until
// the context ends. Each decision finds its own earlier write again, so a lost response is harmless. Members that this
// package does not know keep their meaning, digits of numbers included, at the top, in `cloud` and in each attempt.
//
// An attempt holds a record while `cloud.attempt` is its id, it has not ended, and the client has not put the status back
// to `waiting`. That alone is the fence. The lease, `experiments/<key>/_lease`, only tells others how long to wait before
// they take a record over; the clocks of executors therefore need to agree to a fraction of a lease, and if they do not, an
// experiment is taken over early or late but never run on as if it had not been.
//
// `status: finished` stands until the client puts the record back to `waiting`: neither a late event nor another ending
// changes an outcome.
//
// Permanent errors: [ErrMalformed], [EndedError], [ErrStopped], [ExhaustedError], [ErrSuperseded]. [HeldError] ends with
// time. All others come from storage and are transient.
package record
