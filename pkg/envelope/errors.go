package envelope

import (
	"errors"
	"fmt"
)

// Every error of this package is permanent. The texts around these sentinels name a field, a length or what to do, and
// never repeat what the message or the key file holds.
var (
	// ErrMalformed: the body is not an envelope as the package documentation describes it.
	ErrMalformed = errors.New("malformed envelope")
	// ErrNotEnvelope: the body is something else, such as a request in clear. It is an ErrMalformed too.
	ErrNotEnvelope = fmt.Errorf("%w: not a JSON object with an object message that has a payload", ErrMalformed)
	// ErrUnsigned: the envelope has no signature.
	ErrUnsigned = errors.New("unsigned envelope")
	// ErrWrongKey: the fingerprint names none of the accepted keys, or no key is accepted at all.
	ErrWrongKey = errors.New("signed with a key that is not accepted here")
	// ErrBadSignature: the signature was not made over this payload by an accepted key.
	ErrBadSignature = errors.New("bad signature")
	// ErrUndecryptable: none of the private keys opens the payload.
	ErrUndecryptable = errors.New("undecryptable payload")
	// ErrPassphrase: a private key file is encrypted, and the passphrase is missing or not the right one.
	ErrPassphrase = errors.New("passphrase missing or wrong")
)
