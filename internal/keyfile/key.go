package keyfile

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Type is the kind of a key, as ssh-keygen writes it.
type Type string

// RSA keys seal and open, Ed25519 keys sign and verify.
const (
	RSA     Type = "RSA"
	Ed25519 Type = "ED25519"
)

// Key is what a file holds: one of the four keys that it is made of is there.
type Key struct {
	Type        Type   `json:"type"`
	Bits        int    `json:"bits"`
	Fingerprint string `json:"fingerprint"` // of the public half, as ssh-keygen -l prints it
	Private     bool   `json:"private"`
	Encrypted   bool   `json:"encrypted,omitempty"` // with a passphrase
	Format      string `json:"format,omitempty"`    // the type of the PEM block, or the first word of the line
	Comment     string `json:"comment,omitempty"`

	opens    *envelope.PrivateKey
	seals    *envelope.PublicKey
	signs    envelope.SigningKey
	verifies envelope.VerifyKey
}

// Line is the key as `ssh-keygen -l` prints it.
func (k Key) Line() string {
	comment := k.Comment
	if comment == "" {
		comment = "no comment"
	}
	return fmt.Sprintf("%d %s %s (%s)", k.Bits, k.Fingerprint, comment, k.Type)
}

// Opens is the key to open with; nil for one of another kind.
func (k Key) Opens() *envelope.PrivateKey { return k.opens }

// Seals is the key to seal with, a private one's public half too; nil for one of another kind.
func (k Key) Seals() *envelope.PublicKey { return k.seals }

// Verifies is the key to verify with, a private one's public half too; zero for one of another kind.
func (k Key) Verifies() envelope.VerifyKey { return k.verifies }

// Parse reads every key of a file: the one of a PEM block, or one of each line ssh-rsa or ssh-ed25519. The passphrase is asked
// for only where the file is encrypted.
func Parse(data []byte, passphrase func() ([]byte, error)) ([]Key, error) {
	if block, _ := pem.Decode(data); block != nil {
		key, err := parsePEM(data, block.Type, passphrase)
		return []Key{key}, err
	}
	var keys []Key
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseLine(line)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

// OfPublicKey is a key to seal with, wherever it stood.
func OfPublicKey(public *envelope.PublicKey) Key { return ofRSA(public, "") }

// OfVerifyKey is a key to verify with, wherever it stood.
func OfVerifyKey(public envelope.VerifyKey) Key { return ofEd25519(public, "") }

func parsePEM(data []byte, format string, passphrase func() ([]byte, error)) (Key, error) {
	if format == "RSA PUBLIC KEY" || format == "PUBLIC KEY" {
		public, err := envelope.ParsePublicKey(data)
		if err != nil {
			return Key{}, err
		}
		return ofRSA(public, format), nil
	}
	key, err := parsePrivate(data, format, nil)
	if !errors.Is(err, envelope.ErrPassphrase) || passphrase == nil {
		return key, err
	}
	phrase, err := passphrase()
	if err != nil {
		return Key{}, err
	}
	key, err = parsePrivate(data, format, phrase)
	key.Encrypted = true
	return key, err
}

func parsePrivate(data []byte, format string, phrase []byte) (Key, error) {
	opens, err := envelope.ParsePrivateKey(data, phrase)
	if err == nil {
		key := ofRSA(opens.Public(), format)
		key.Private, key.opens = true, opens
		return key, nil
	}
	signs, signErr := envelope.ParseSigningKey(data, phrase)
	if errors.Is(err, envelope.ErrPassphrase) || signErr != nil {
		return Key{}, err
	}
	key := ofEd25519(signs.Public(), format)
	key.Private, key.signs = true, signs
	return key, nil
}

func parseLine(line []byte) (Key, error) {
	words := strings.Fields(string(line))
	comment := strings.Join(words[min(2, len(words)):], " ")
	if words[0] == "ssh-ed25519" {
		verifies, err := envelope.ParseVerifyKey(line)
		key := ofEd25519(verifies, words[0])
		key.Comment = comment
		return key, err
	}
	public, err := envelope.ParsePublicKey(line)
	if err != nil {
		return Key{}, fmt.Errorf("neither PEM nor a line that begins with ssh-rsa or ssh-ed25519: %w", err)
	}
	key := ofRSA(public, words[0])
	key.Comment = comment
	return key, nil
}

func ofRSA(public *envelope.PublicKey, format string) Key {
	return Key{Type: RSA, Bits: public.Bits(), Fingerprint: public.Fingerprint(), Format: format, seals: public}
}

func ofEd25519(public envelope.VerifyKey, format string) Key {
	return Key{Type: Ed25519, Bits: 256, Fingerprint: public.Fingerprint(), Format: format, verifies: public}
}
