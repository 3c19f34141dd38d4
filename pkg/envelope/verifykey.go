package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// VerifyKey is the public half of a sender's signing key. The zero value verifies nothing. Keys compare with ==.
type VerifyKey struct {
	key         [ed25519.PublicKeySize]byte
	fingerprint string
}

// ParseVerifyKey reads one "ssh-ed25519 AAAA… comment" line, as in a file that ssh-keygen wrote. The comment is dropped.
func ParseVerifyKey(line []byte) (VerifyKey, error) {
	line = bytes.TrimSpace(line)
	fields := bytes.Fields(line)
	if len(fields) < 2 || string(fields[0]) != "ssh-ed25519" || bytes.ContainsAny(line, "\r\n") {
		return VerifyKey{}, errors.New("parse signing public key: not one line of the form ssh-ed25519 AAAA… comment")
	}
	blob := decode(nil, fields[1])
	if len(blob) != len(sshPublicKey)+ed25519.PublicKeySize || !bytes.HasPrefix(blob, []byte(sshPublicKey)) {
		return VerifyKey{}, errors.New("parse signing public key: the second word does not encode an ssh-ed25519 key")
	}
	return newVerifyKey(blob[len(sshPublicKey):]), nil
}

func newVerifyKey(public ed25519.PublicKey) VerifyKey {
	k := VerifyKey{key: [ed25519.PublicKeySize]byte(public)}
	k.fingerprint = sshFingerprint(k.blob())
	return k
}

// sshFingerprint writes a key's fingerprint as OpenSSH does.
func sshFingerprint(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func (k VerifyKey) blob() []byte { return append([]byte(sshPublicKey), k.key[:]...) }

// IsZero reports whether k is the zero value, which verifies nothing.
func (k VerifyKey) IsZero() bool { return k.fingerprint == "" }

// Fingerprint returns "SHA256:…", as ssh-keygen -l prints it and as senders name their key; "" for the zero value.
func (k VerifyKey) Fingerprint() string { return k.fingerprint }

// AuthorizedLine returns the line that [ParseVerifyKey] reads, without a newline. The comment may be empty.
func (k VerifyKey) AuthorizedLine(comment string) string {
	return authorizedLine("ssh-ed25519", k.blob(), comment)
}

func authorizedLine(name string, blob []byte, comment string) string {
	line := name + " " + base64.StdEncoding.EncodeToString(blob)
	if comment != "" {
		line += " " + comment
	}
	return line
}

// String returns the fingerprint.
func (k VerifyKey) String() string { return k.fingerprint }

// MarshalText returns the authorized line without a comment, so that keys can stand in JSON and other text.
func (k VerifyKey) MarshalText() ([]byte, error) {
	if k.IsZero() {
		return nil, errors.New("marshal signing public key: no key")
	}
	return []byte(k.AuthorizedLine("")), nil
}

// UnmarshalText is [ParseVerifyKey].
func (k *VerifyKey) UnmarshalText(line []byte) error {
	parsed, err := ParseVerifyKey(line)
	if err != nil {
		return fmt.Errorf("unmarshal: %w", err)
	}
	*k = parsed
	return nil
}
