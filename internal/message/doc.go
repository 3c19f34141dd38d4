// Package message is the contract of the Pub/Sub messages that carry requests and reports on them: their attributes, their
// identity and the requests' dead letters.
//
// The bridge writes [Relayed] messages to a pool's topic, the executor reads them, and both write [DeadLetter]s, which
// people inspect and replay. The data is always the bytes that RabbitMQ held, untouched, and `message_id` is their
// SHA-256, so a second delivery of the same request shows itself wherever it surfaces.
//
// In the other direction, executors, and the bridge for what it refuses, write [Reports], which the bridge carries to the
// experimenter's response queue. Their ordering key is the attempt, so that states come in order.
//
// [Publisher.DeadLetter] returns nil only when Pub/Sub has the whole dead letter; its errors are transient, and the
// caller must not acknowledge the original. [FromAttributes] and its siblings return errors that wrap [ErrInvalid] or
// [ErrInvalidReports]: permanent, since the same message reads the same on every delivery.
package message
