package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
)

// The SSH wire forms (RFC 8709) begin with these constants, so that a prefix and a length are all there is to parse.
const (
	sshEd25519      = "\x00\x00\x00\x0bssh-ed25519"
	sshSignature    = sshEd25519 + "\x00\x00\x00\x40"
	sshPublicKey    = sshEd25519 + "\x00\x00\x00\x20"
	wireSignatureSz = len(sshSignature) + ed25519.SignatureSize // 83
)

// Verify checks that the payload was signed with one of the keys, those of the queue that the message came from. It
// returns [ErrUnsigned], [ErrWrongKey] or [ErrBadSignature], or nil. It vouches for the payload alone, not for the header.
func (m *Message) Verify(keys ...VerifyKey) error {
	if m.Signature == "" {
		return ErrUnsigned
	}
	accepted := m.candidates(keys)
	if len(accepted) == 0 {
		return ErrWrongKey
	}
	signature := parseSignature(m.Signature)
	if signature == nil {
		return ErrBadSignature
	}
	for _, k := range accepted {
		if ed25519.Verify(k.key[:], m.payload.text, signature) {
			return nil
		}
	}
	return ErrBadSignature
}

// candidates returns the keys that the fingerprint names, all of them if there is no fingerprint.
func (m *Message) candidates(keys []VerifyKey) []VerifyKey {
	named := make([]VerifyKey, 0, len(keys))
	for _, k := range keys {
		if k.IsZero() {
			continue // 32 zero bytes are a key of small order, for which anyone can sign
		}
		if m.Fingerprint == "" || subtle.ConstantTimeCompare([]byte(m.Fingerprint), []byte(k.Fingerprint())) == 1 {
			named = append(named, k)
		}
	}
	return named
}

// parseSignature returns the 64 bytes of either encoding, nil for anything else.
func parseSignature(encoded string) []byte {
	raw := decode(nil, []byte(encoded))
	switch {
	case len(raw) == ed25519.SignatureSize:
		return raw
	case len(raw) == wireSignatureSz && bytes.HasPrefix(raw, []byte(sshSignature)):
		return raw[len(sshSignature):]
	default:
		return nil
	}
}
