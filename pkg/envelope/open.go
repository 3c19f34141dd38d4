package envelope

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"

	"golang.org/x/crypto/nacl/secretbox"
)

// Open decrypts the inner request with whichever of the private keys the payload was sealed for. It says nothing about
// the sender: call [Message.Verify] first. Its only error is [ErrUndecryptable]; the bytes that it returns are as the
// sender sealed them, not necessarily JSON.
func (m *Message) Open(keys ...*PrivateKey) ([]byte, error) {
	return m.payload.open(keys)
}

// Open decrypts a payload that [Seal] made, such as a report. Its only error is [ErrUndecryptable].
func Open(payload string, keys ...*PrivateKey) ([]byte, error) {
	p, err := parsePayload([]byte(payload))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndecryptable, err)
	}
	return p.open(keys)
}

func (p payload) open(keys []*PrivateKey) ([]byte, error) {
	session, err := openSessionKey(decode(nil, p.block), keys)
	if err != nil {
		return nil, err
	}
	buffer, _ := boxes.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer boxes.Put(buffer)
	*buffer = decode(*buffer, p.box)
	inner, ok := openBox(*buffer, session)
	if !ok {
		return nil, fmt.Errorf("%w: the box is damaged or was sealed with another session key", ErrUndecryptable)
	}
	return inner, nil
}

func openBox(box []byte, session *[sessionKeySize]byte) ([]byte, bool) {
	if len(box) < minBoxSize {
		return nil, false // the body was changed after it was parsed
	}
	return secretbox.Open(nil, box[nonceSize:], (*[nonceSize]byte)(box), session)
}

// boxes are buffers for what is still encrypted, so that a large request takes no memory twice.
var boxes sync.Pool

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
