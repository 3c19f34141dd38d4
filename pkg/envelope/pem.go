package envelope

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds what a file that is no key can cost; a 16384-bit key takes about 13 KiB.
const maxKeyFile = 32 << 10

// work is what a key file may ask for before its passphrase can be tried: seconds, where tools ask for a part of one.
type work struct {
	iterations   int // of PBKDF2
	scryptMemory int // bytes
	scryptLanes  int
	bcryptRounds int // of OPENSSH PRIVATE KEY: ssh-keygen -a
}

var mostWork = work{iterations: 2_000_000, scryptMemory: 256 << 20, scryptLanes: 16, bcryptRounds: 1024}

// parsePrivate returns *rsa.PrivateKey, ed25519.PrivateKey or, for the caller to refuse, a key of another kind.
func (most work) parsePrivate(data, passphrase []byte) (any, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%d bytes are too many for a key file", len(data))
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("not a PEM file")
	}
	passphrase = bytes.TrimSuffix(passphrase, []byte("\n"))
	switch block.Type {
	case "RSA PRIVATE KEY":
		return parsePKCS1(block, passphrase)
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return most.parsePBES2(block.Bytes, passphrase)
	case "OPENSSH PRIVATE KEY":
		if err := most.checkOpenSSH(block.Bytes); err != nil {
			return nil, err
		}
		return parseOpenSSH(data, passphrase)
	default:
		return nil, fmt.Errorf("a PEM block of type %q is no private key", block.Type)
	}
}

func parsePKCS1(block *pem.Block, passphrase []byte) (any, error) {
	if !x509.IsEncryptedPEMBlock(block) { //nolint:staticcheck // the encryption is weak, and it is what the field has
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if len(passphrase) == 0 {
		return nil, ErrPassphrase
	}
	der, err := x509.DecryptPEMBlock(block, passphrase) //nolint:staticcheck // as above
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, ErrPassphrase // one wrong passphrase in 256 leaves padding that looks right
	}
	return key, nil
}

// checkOpenSSH reads the head of the file as PROTOCOL.key of OpenSSH has it. Files with another head are for the parser to
// refuse.
func (most work) checkOpenSSH(blob []byte) error {
	var head struct {
		Cipher, Derivation, Options string
		Rest                        []byte `ssh:"rest"`
	}
	var options struct {
		Salt   string
		Rounds uint32
	}
	rest, ok := bytes.CutPrefix(blob, []byte("openssh-key-v1\x00"))
	known := ok && ssh.Unmarshal(rest, &head) == nil && ssh.Unmarshal([]byte(head.Options), &options) == nil
	if known && int64(options.Rounds) > int64(most.bcryptRounds) {
		return fmt.Errorf("encrypted with %d rounds of bcrypt, not 1 to %d: encrypt it anew with ssh-keygen -p -a 16", options.Rounds, most.bcryptRounds)
	}
	return nil
}

func parseOpenSSH(data, passphrase []byte) (any, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	if _, encrypted := errors.AsType[*ssh.PassphraseMissingError](err); encrypted {
		if len(passphrase) == 0 {
			return nil, ErrPassphrase
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase)
	}
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, err
	}
	if pointer, ok := key.(*ed25519.PrivateKey); ok {
		return *pointer, nil
	}
	return key, nil
}
