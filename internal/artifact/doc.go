// Package artifact moves an experiment's folders between the disk and the object stores.
//
// [Fetch] streams an object into a folder, [Upload] streams a folder into an object, [Fingerprint] tells whether a folder
// changed in between, and [Stores] decides which store, under which identity, may be asked at all. Nothing is ever held
// whole in memory: the peak is a few buffers, whatever the size.
//
// Both sides of the disk are hostile. An archive is unpacked through [os.Root], so that no member leaves its folder; a folder
// that a program owns is packed through [os.Root] too, without following a link or waiting on a pipe, so that the program
// cannot make the executor read a file of the machine for it.
//
// Errors: [ErrNotExist] and [ErrPrecondition] are answers of the store. [*RefusedError], [*UnpackError], [*PackError] and
// [*WebError] are permanent, and their text tells the experimenter what to do. [*DeniedError] says who must be granted what.
// Everything else is the infrastructure's and may be retried with the same arguments: a put is atomic, and unpacking again
// replaces what was there. No error carries a credential, nor the query of a URL.
package artifact
