// Package fakegcs serves Cloud Storage on loopback, with bucket notifications, from memory.
//
// Objects live in memory and not in a folder, because there an object's name cannot be the beginning of another's, as a
// record's is of its lease's. A notification is handed over after the object is there and before its writer hears of it; one
// that cannot be handed over is logged, and the object stays. Where the service promises notifications at least once, this
// server is short of it only when it is killed.
package fakegcs
