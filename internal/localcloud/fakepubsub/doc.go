// Package fakepubsub serves Pub/Sub on loopback: the client library's own fake, with what the real service has and the fake lacks.
//
// Added to it are messages of up to 10 MB, flow control (a subscriber is sent no more than it asked for, so that a killed one holds
// back nothing else), a pause before a refused message comes again, and retention of a week instead of ten minutes. What was
// published is forgotten once delivered, so that a long run does not grow. Dead-letter policies count delivery attempts but do
// not act: the fake's way of acting on them repeats for ever, and the project's programs write their dead letters themselves.
package fakepubsub
