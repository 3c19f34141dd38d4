// Package reporter tells an experimenter what becomes of an attempt while it goes on: its states, the lines of its program, and
// its end. It stands beside the attempt and never in its way.
//
// Delivery: states come in order and are never left out; lines come between them as they were printed. [Reporter.End] returns nil
// only when Pub/Sub has everything, the end included; until then the request must not be acknowledged.
//
// Volume: lines go into bounded buffers and leave them at a bounded rate. Where a program prints more than that, the oldest ones
// are left out, counted, and a report in their place says so. What waits when a state comes is sent with it, whatever the rate:
// the last lines before an end tell most of it. The program waits for none of this; the price is the sealing, RSA-OAEP for each
// report.
//
// Errors: those of Pub/Sub are tried again for as long as the attempt lasts.
package reporter
