// Package program keeps one of the project's programs running, as Cloud Run and GKE do.
//
// A program that ends by itself or is killed is started again after a pause that grows; its output, JSON lines, goes into a file and
// to whoever listens. Stopping is what the platforms do too: SIGTERM, some time, SIGKILL. A program never outlives the
// process that started it.
package program
