// Package report is the function Report: the last hop of a report, from Pub/Sub to the experimenter's response queue.
//
// A push subscription of the topic of reports calls it with one batch at a time for each attempt, in order; see package message.
// It publishes what it is given and cannot read it. The response queue is the experimenter's to make: where there is none, nobody
// wants the reports, and they are dropped and counted.
//
// # Delivery
//
// A call succeeds when RabbitMQ has confirmed every report of the batch, when nobody wants it, or when it is no batch, which is
// logged and would be none on every delivery. Otherwise it fails, and Pub/Sub delivers the batch again, and what comes after it
// again after it. A report that comes twice has the same message_id.
//
// # Volume
//
// A response queue that nobody reads must not fill the broker. Once it holds more than a limit, lines of output are left out, and
// lines of JSON once it holds twice that; they are counted, and a report that the bridge seals itself says so. States are
// published whatever the queue holds.
package report
