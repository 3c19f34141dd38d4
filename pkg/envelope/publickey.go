package envelope

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// PublicKey is an RSA key to seal with.
type PublicKey struct{ key *rsa.PublicKey }

// ParsePublicKey reads an RSA public key: PEM RSA PUBLIC KEY or PUBLIC KEY, or one ssh-rsa line.
func ParsePublicKey(data []byte) (*PublicKey, error) {
	parsed, err := parsePublic(data)
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("parse public key: %s, not an RSA key", kindOf(parsed))
	}
	if err := checkRSA(key); err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	return &PublicKey{key: key}, nil
}

func parsePublic(data []byte) (any, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%d bytes are too many for a key file", len(data))
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return parseAuthorizedRSA(bytes.TrimSpace(data))
	}
	switch block.Type {
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no public key", block.Type)
	}
}

func parseAuthorizedRSA(line []byte) (any, error) {
	fields := bytes.Fields(line)
	if len(fields) < 2 || string(fields[0]) != ssh.KeyAlgoRSA || bytes.ContainsAny(line, "\r\n") {
		return nil, errors.New("neither PEM nor one line of the form ssh-rsa AAAA… comment")
	}
	blob := decode(nil, fields[1])
	if blob == nil {
		return nil, errors.New("the second word of the ssh-rsa line is not base64")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, err
	}
	public, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errors.New("the ssh-rsa line holds another kind of key")
	}
	return public.CryptoPublicKey(), nil
}

// Bits returns the size of the modulus.
func (k *PublicKey) Bits() int { return k.key.N.BitLen() }

// Fingerprint returns "SHA256:…", as ssh-keygen -l prints it for the same key in any format; "" for the zero value.
func (k *PublicKey) Fingerprint() string {
	if k == nil || k.key == nil {
		return ""
	}
	return sshFingerprint(k.blob())
}

// AuthorizedLine returns the ssh-rsa line that [ParsePublicKey] reads, without a newline. The comment may be empty.
func (k *PublicKey) AuthorizedLine(comment string) string {
	return authorizedLine(ssh.KeyAlgoRSA, k.blob(), comment)
}

// blob is the key in the SSH wire form (RFC 4253 section 6.6).
func (k *PublicKey) blob() []byte {
	return ssh.Marshal(struct {
		Name string
		E, N *big.Int
	}{ssh.KeyAlgoRSA, big.NewInt(int64(k.key.E)), k.key.N})
}

// MarshalPEM returns the key as RSA PUBLIC KEY (PKCS#1), the format that every client reads.
func (k *PublicKey) MarshalPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(k.key)})
}
