// Package pyspec reads what an experiment asks of Python: a version and requirements, and says what is wrong with them.
//
// The executor asks before it builds an environment, and studioctl before anything is submitted: an experimenter reads the
// same words either way. Its errors, a [*RequirementsError] and an [*InterpreterError], are the same on every retry, and
// hold no user part of a URL, where index passwords are.
package pyspec
