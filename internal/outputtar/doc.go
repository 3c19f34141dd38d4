// Package outputtar reads a program's output out of output.tar without downloading it.
//
// The archive holds one file, named output, somewhere. [Open] finds it by reading the headers on the way and leaping over
// what lies between them; [Output.Tail] reads its end. Both ask the store for a few kilobytes, whatever the size of the archive.
//
// Errors: [ErrNoOutput] and [ErrNotTar] are permanent for the generation that was read. Everything else is the source's, which
// may be asked again.
package outputtar
