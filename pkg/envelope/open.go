package envelope

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
)

// Open decrypts the inner request with whichever of the private keys the payload was sealed for. It says nothing about
// the sender: call [Message.Verify] first. Its only error is [ErrUndecryptable]; the bytes that it returns are as the
// sender sealed them, not necessarily JSON.
func (m *Message) Open(keys ...*PrivateKey) ([]byte, error) {
	return Open(m.Payload, keys...)
}

// Open decrypts a payload that [Seal] made, such as a report. Its only error is [ErrUndecryptable].
func Open(payload string, keys ...*PrivateKey) ([]byte, error) {
	block64, box64, err := splitPayload(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndecryptable, err)
	}
	block, ok := decode(block64)
	if !ok {
		return nil, fmt.Errorf("%w: part 1 is not base64", ErrUndecryptable)
	}
	session, err := openSessionKey(block, keys)
	if err != nil {
		return nil, err
	}
	box, ok := decode(box64)
	if !ok {
		return nil, fmt.Errorf("%w: part 2 is not base64", ErrUndecryptable)
	}
	inner, ok := secretbox.Open(nil, box[nonceSize:], (*[nonceSize]byte)(box), session)
	if !ok {
		return nil, fmt.Errorf("%w: the box is damaged or was sealed with another session key", ErrUndecryptable)
	}
	return inner, nil
}

func openSessionKey(block []byte, keys []*PrivateKey) (*[sessionKeySize]byte, error) {
	tried := 0
	for _, k := range keys {
		if k == nil || k.key == nil || k.key.Size() != len(block) {
			continue
		}
		tried++
		session, err := rsa.DecryptOAEP(sha256.New(), nil, k.key, block, nil)
		if err != nil {
			continue // sealed for another of the keys, or for none: OAEP tells no more, on purpose
		}
		if len(session) != sessionKeySize {
			return nil, fmt.Errorf("%w: the session key has %d bytes, not %d", ErrUndecryptable, len(session), sessionKeySize)
		}
		return (*[sessionKeySize]byte)(session), nil
	}
	return nil, fmt.Errorf("%w: sealed for a %d-bit key that is none of the %d keys here, %d of which have that size",
		ErrUndecryptable, len(block)*8, len(keys), tried)
}
