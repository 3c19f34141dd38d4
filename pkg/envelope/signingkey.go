package envelope

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// SigningKey is a sender's Ed25519 key. It prints as [redacted] everywhere. The zero value signs nothing.
type SigningKey struct {
	redacted
	key ed25519.PrivateKey
}

// GenerateSigningKey makes a new key.
func GenerateSigningKey() (SigningKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return SigningKey{}, fmt.Errorf("generate signing key: %w", err)
	}
	return SigningKey{key: key}, nil
}

// ParseSigningKey reads an Ed25519 private key file. The passphrase is ignored when the file is not encrypted; the error
// is [ErrPassphrase] when it is and the passphrase is missing or wrong.
func ParseSigningKey(data, passphrase []byte) (SigningKey, error) {
	return mostWork.parseSigningKey(data, passphrase)
}

func (most work) parseSigningKey(data, passphrase []byte) (SigningKey, error) {
	parsed, err := most.parsePrivate(data, passphrase)
	if err != nil {
		return SigningKey{}, fmt.Errorf("parse signing key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return SigningKey{}, fmt.Errorf("parse signing key: %s, not an Ed25519 key", kindOf(parsed))
	}
	if !key.Equal(ed25519.NewKeyFromSeed(key.Seed())) { // x/crypto/ssh does not look
		return SigningKey{}, errors.New("parse signing key: its private half does not belong to its public half: the file is damaged, make a new key")
	}
	return SigningKey{key: key}, nil
}

// IsZero reports whether k is the zero value.
func (k SigningKey) IsZero() bool { return len(k.key) == 0 }

// Public returns the key that verifies what k signs; the zero VerifyKey for a zero SigningKey.
func (k SigningKey) Public() VerifyKey {
	if k.IsZero() {
		return VerifyKey{}
	}
	return newVerifyKey(ed25519.PublicKey(k.key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]))
}

// Sign returns the signature of a payload as an envelope carries it: the base64 of its 64 bytes; "" for the zero value.
func (k SigningKey) Sign(payload string) string {
	if k.IsZero() {
		return ""
	}
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k.key, []byte(payload)))
}

// MarshalPEM returns the key as an OPENSSH PRIVATE KEY file, encrypted if the passphrase is not empty.
func (k SigningKey) MarshalPEM(passphrase []byte) ([]byte, error) {
	if k.IsZero() {
		return nil, errors.New("marshal signing key: no key")
	}
	return marshalOpenSSH(k.key, passphrase)
}

func marshalOpenSSH(key any, passphrase []byte) (data []byte, err error) {
	var block *pem.Block
	if len(passphrase) == 0 {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("marshal private key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}
