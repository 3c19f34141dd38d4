// Package rabbit runs a private RabbitMQ broker: the distribution's own server with its own node, ports and data.
//
// It is the first hop of the local cloud and the broker of integration tests. Everything listens on loopback alone, all
// state lies in one folder, and the folder's next broker finds the durable queues of the one before. [Start] returns when both AMQP and the
// management API answer, and leaves nothing behind when it fails or its context ends first. [ErrMissing] says that the
// machine has no RabbitMQ, and which command installs it.
package rabbit
