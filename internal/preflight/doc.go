// Package preflight is what an executor judges of an admitted request before anything is fetched: whether it is still
// wanted, where its artifacts lie and who may reach them, and what it asks of Python.
//
// The executor judges as it goes; [Plan.Check] judges all of it at once, so that an experimenter can be told before a submission
// what the executor would say. Nothing is asked of the network. Its error is a [*Fault], which no retry can change.
package preflight
