// Package request reads what a StudioML client asks for: the JSON of one experiment and its configuration.
//
// It stands behind the envelope in the executor and before the route in the bridge, so that both understand the same
// bytes alike. Clients disagree about types (a number here is a string there); [Parse] accepts what clients in the field
// send, refuses the rest by the field's name, and keeps the experiment as it was sent in [Experiment.Raw].
//
// Errors are permanent and match [ErrMalformed]: the same bytes fail again on every retry. They name fields and what
// belongs there, and never repeat a value, since the request may have come sealed.
package request
