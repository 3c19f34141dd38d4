// Package explain foretells what would become of a message in a queue: whose it would be, in which pool it would run and
// why, and what would refuse it, with which words.
//
// It decides nothing itself. Package admission decides as in the bridge and in the executor, package preflight as in the
// executor, so that what is foretold is what is said. Nothing is stored or sent. What nobody can know before is named as that.
package explain
