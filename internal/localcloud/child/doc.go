// Package child starts the local cloud's processes so that none outlives it.
//
// A child runs in a session of its own, so that a terminal's Ctrl-C reaches the local cloud alone, which then stops its
// parts in order. Where the kernel can (Linux), a child is killed when the process that started it dies, even by SIGKILL.
// Processes are ended by their ids and never by name; those which a child started itself are ended with it.
package child
