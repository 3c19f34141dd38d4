// Package keyfile makes the key files of the wire format and says what is in one, for those who make and look after keys.
//
// Place in the path: beside it. Clients seal with the public request key and sign with a signing key; executors open with the
// private request keys; reports are sealed with the public report keys. All are read by package envelope, whose formats are
// the ones read here.
//
// Files are made whole or not at all, a pair or nothing, and one that is there is never written to ([Create]). A rotation
// ([Names.Next], [Finish]) puts a new pair beside the current one, so that both can be accepted while either is in use.
//
// No error and nothing printed holds key material or a passphrase.
package keyfile
