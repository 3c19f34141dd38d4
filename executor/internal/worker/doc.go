// Package worker lives one experiment's life, from its delivery to its acknowledgement:
//
//	decide ─ claim ─ fetch ─ environment ─ run ─ checkpoint ─ save ─ acknowledge
//
// Delivery rule: a delivery is acknowledged only when nothing is left to do for it: its output.tar is saved as final, or
// the record says how it ended, or it lies with the dead letters; and Pub/Sub has the report of it, where somebody reads
// reports. In every other case it is returned to Pub/Sub, whose
// retry policy spaces the next attempt.
//
// Fencing: Pub/Sub may deliver an experiment twice. The claim in the record decides who runs it (package record); an
// attempt that finds itself superseded kills its program, uploads nothing more and leaves the message alone.
//
// Errors: what is the experimenter's to mend is a [Fault]; it ends the experiment with a sentence in its output. What is
// the infrastructure's ends the attempt, and another one follows.
package worker
