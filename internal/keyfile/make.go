package keyfile

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Names are the files of one pair.
type Names struct {
	Private, Public string
	Passphrase      string // "" for a pair that has none
}

// RSANames are those of a request or report key, as the deployment guide calls them.
func RSANames(name string) Names {
	return Names{Private: name + ".pem", Public: name + ".pub.pem", Passphrase: name + ".passphrase"}
}

// SigningNames are those that ssh-keygen gives.
func SigningNames(name string) Names { return Names{Private: name, Public: name + ".pub"} }

// NewPassphrase makes one that nobody guesses: 130 bits.
func NewPassphrase() []byte { return []byte(rand.Text()) }

// RSAOptions say how a pair is made.
type RSAOptions struct {
	Bits       int
	Passphrase []byte // none leaves the private file unencrypted
	// Legacy encrypts as PKCS#1 does (DEK-Info), which studio-go-runner reads and nothing else needs: one round of MD5 stands
	// between a guesser and the passphrase.
	Legacy bool
}

// NewRSA makes the files of a pair to seal and open with. With a passphrase the private file is OpenSSH's, whose bcrypt makes
// guessing slow and which every executor of the wire format reads; without one it is PKCS#1.
func NewRSA(n Names, o RSAOptions) ([]File, Key, error) {
	key, err := envelope.GeneratePrivateKey(o.Bits)
	if err != nil {
		return nil, Key{}, err
	}
	phrase := o.Passphrase
	if o.Legacy {
		phrase = nil
	}
	private, err := key.MarshalPEM(phrase)
	if err == nil && o.Legacy {
		private, err = legacy(private, o.Passphrase)
	}
	if err != nil {
		return nil, Key{}, err
	}
	files := []File{{n.Private, private, Secret}, {n.Public, key.Public().MarshalPEM(), Shared}}
	return files, ofRSA(key.Public(), "RSA PUBLIC KEY"), nil
}

// legacy encrypts a PKCS#1 file as `ssh-keygen -m PEM` does, with a longer key.
func legacy(plain, passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the legacy encryption needs a passphrase")
	}
	block, _ := pem.Decode(plain)
	sealed, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, passphrase, x509.PEMCipherAES256) //nolint:staticcheck // weak, and what studio-go-runner reads
	if err != nil {
		return nil, fmt.Errorf("encrypt the private key: %w", err)
	}
	return pem.EncodeToMemory(sealed), nil
}

// NewSigning makes the files of a pair to sign and verify with. The private one has no passphrase: the clients that read it
// cannot ask for one.
func NewSigning(n Names, comment string) ([]File, Key, error) {
	key, err := envelope.GenerateSigningKey()
	if err != nil {
		return nil, Key{}, err
	}
	private, err := key.MarshalPEM(nil)
	if err != nil {
		return nil, Key{}, err
	}
	public := ofEd25519(key.Public(), "ssh-ed25519")
	public.Comment = comment
	line := key.Public().AuthorizedLine(comment) + "\n"
	return []File{{n.Private, private, Secret}, {n.Public, []byte(line), Shared}}, public, nil
}
