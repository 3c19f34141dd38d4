// Package process runs an experiment's program: foreign code, kept apart from the executor that starts it.
//
// It stands between the experiment's folders and environment being ready and its artifacts being saved. [Run] starts the
// executor's own binary again as a launcher; the launcher gives up everything that the program must not have (user,
// groups, capabilities, open files, environment) and becomes the program by execve. There is no shell in between, and
// nothing of the executor's settings is left to be read. The program's main calls [LauncherMain] before anything else.
//
// What is promised: a program runs at most once for each Run; when Run has returned, nothing of it runs any more, as far
// as its process group reaches, and as far as its user reaches where the user is its own ([Spec].OwnUID); and when the
// executor is killed, the kernel kills the program with it. What a killed executor's program had started itself is for
// the next executor to end with [KillUser], unless the container ends with the executor anyway.
//
// Errors: a program that cannot be started is an [ErrStart], with a sentence for its experimenter and the system's error
// beneath it. A program that ran and failed is no error but a [Result]. [ErrLeftOver] says that processes would not die.
//
// Linux only.
package process
