// Package doctor examines a deployment from outside: what each of its services answers, and what to do where one does not.
//
// Place in the path: beside it. Nothing that a hop acts on is made: the queue is exclusive to the check and of a name that no
// bridge reads, objects lie below [Prefix], the subscription is the check's own and expires, and messages that are looked at are
// given back.
//
// A finding says what was seen. What cannot be seen from where the doctor runs, or by its account, is [NotHere] and never a
// [Pass]. Checks do not depend on each other: they run at once, each within its time.
package doctor
