// Package pool says which shape of machine can hold an experiment.
//
// The list of pools is one setting for the bridge, which routes by it, the executor, which admits by it, and Terraform,
// which builds the machines; members that only Terraform reads are ignored here. Routing is a pure function of the list
// and the request: a [NoFitError] is permanent until the list changes, so callers dead-letter and never requeue.
package pool
