// Package client speaks to a deployment as the StudioML client does, and as its users need: it submits experiments to
// RabbitMQ, reads their records, follows their output, stops them and fetches their artifacts.
//
// Place in the path: before its beginning and after its end. Everything goes through the same exchange, buckets and JSON
// that the Python client uses, so it works against a local cloud and a real project alike.
//
// Errors: a publish that no queue takes, or that the broker does not confirm, is an error; nothing was submitted then, though
// the workspace and the record may have been stored. No error carries the AMQP URL's password.
package client
