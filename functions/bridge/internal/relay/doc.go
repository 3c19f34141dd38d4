// Package relay takes requests from RabbitMQ and puts each into the Pub/Sub topic of the pool that can run it.
//
// A scheduler calls [Service] once a minute, or it works on its own ([Service.Work]). A call finds the queues through
// RabbitMQ's management API, consumes each on a channel of its own with manual acknowledgement, and works until nothing
// came for a while or its deadline nears; then it settles what it holds and answers with a [Summary]. Calls may overlap:
// RabbitMQ shares the messages among them.
//
// Delivery is at least once. A message is acknowledged to RabbitMQ only when Pub/Sub has it, as a request or, where no
// retry could help, as a dead letter; whatever fails in between leaves it in RabbitMQ, and a second delivery carries the
// same message_id. A message that Pub/Sub does not take goes back to its queue after a pause that grows.
//
// Refusals (*admission.Refusal) are permanent; all other errors of a delivery are transient. No error and no line of the
// log carries the password of RabbitMQ or a byte of a request.
package relay
