package envelope

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The smallest RSA key that crypto/rsa works with, and the largest that ssh-keygen makes.
const (
	minRSABits = 1024
	maxRSABits = 16384
)

// PrivateKey is an RSA key that opens what was sealed for its public half. It prints as [redacted] everywhere.
type PrivateKey struct {
	redacted
	key *rsa.PrivateKey
}

// GeneratePrivateKey makes a new key of 1024 to 16384 bits; 4096 is what the deployment guides use.
func GeneratePrivateKey(bits int) (*PrivateKey, error) {
	if bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("generate private key: %d bits, not %d to %d", bits, minRSABits, maxRSABits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate private key: %w", err)
	}
	return &PrivateKey{key: key}, nil
}

// ParsePrivateKey reads an RSA private key file in any of the formats that the package documentation lists. The
// passphrase is ignored when the file is not encrypted; the error is [ErrPassphrase] when it is and the passphrase is
// missing or wrong.
func ParsePrivateKey(data, passphrase []byte) (*PrivateKey, error) {
	return mostWork.parsePrivateKey(data, passphrase)
}

func (most work) parsePrivateKey(data, passphrase []byte) (*PrivateKey, error) {
	parsed, err := most.parsePrivate(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse private key: %s, not an RSA key", kindOf(parsed))
	}
	if err := checkRSA(&key.PublicKey); err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return &PrivateKey{key: key}, nil
}

// Public returns the key to seal with.
func (k *PrivateKey) Public() *PublicKey { return &PublicKey{key: &k.key.PublicKey} }

// MarshalPEM returns the key as a file: RSA PRIVATE KEY (PKCS#1) without a passphrase; OPENSSH PRIVATE KEY with one,
// because PKCS#1 knows only an encryption that a fast guesser breaks.
func (k *PrivateKey) MarshalPEM(passphrase []byte) ([]byte, error) {
	if k == nil || k.key == nil {
		return nil, errors.New("marshal private key: no key")
	}
	if len(passphrase) > 0 {
		return marshalOpenSSH(k.key, passphrase)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k.key)}), nil
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("an RSA key of %d bits, not %d to %d", bits, minRSABits, maxRSABits)
	}
	if key.N.Sign() < 0 || key.N.Bit(0) == 0 || key.E < 3 || key.E%2 == 0 { // an ssh-rsa line can hold a negative one
		return errors.New("not a usable RSA key: negative or even modulus, or exponent even or below 3")
	}
	return nil
}

func kindOf(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "an RSA key"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "an Ed25519 key"
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return "an ECDSA key"
	default:
		return "a key of another kind"
	}
}
