// Package metadata keeps the JSON document that an experiment's program writes by printing.
//
// Each line of the program's output that is exactly one JSON object or array is a directive: an object is merged into the
// document (RFC 7386), an array is a patch of it (RFC 6902). A [Splitter] cuts the output into lines, a [Document] takes
// them, and the worker stores the document at every checkpoint and at the end, under [Name].
//
// Programs are foreign code, so nothing that they print can spoil the document or cost more than a bounded time and memory:
// a directive applies as a whole or is skipped and counted, and under "studioml", where the executor writes, it may add but
// neither replace nor remove. There are no errors to handle but [Document.Set]'s, which are the caller's own mistakes.
package metadata
