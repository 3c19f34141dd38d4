package envelope

import (
	"bytes"
	"crypto/rsa"
	"encoding/pem"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func TestASigningKeyOfTwoKeysIsRefused(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode(golden(t, "signing"))
	seed := goldenSigningKey(t).key.Seed()
	block.Bytes[bytes.Index(block.Bytes, seed)] ^= 1
	if _, err := ParseSigningKey(pem.EncodeToMemory(block), nil); err == nil || !strings.Contains(err.Error(), "does not belong to its public half") {
		t.Errorf("ParseSigningKey: %v", err)
	}
}

func TestAnOpenSSHKeyThatAsksForEndlessWorkIsRefused(t *testing.T) {
	t.Parallel()
	sign, passphrase := newSigningKey(t), []byte("PassPhrase")
	block, _ := pem.Decode(must(sign.MarshalPEM(passphrase))(t))
	rounds := bytes.Index(block.Bytes, []byte("bcrypt")) + len("bcrypt") + 4 + 4 + 16 // its length, the salt's, the salt
	block.Bytes[rounds] = 0x7f
	if _, err := ParseSigningKey(pem.EncodeToMemory(block), passphrase); err == nil || !strings.Contains(err.Error(), "rounds of bcrypt") {
		t.Errorf("ParseSigningKey: %v", err)
	}
}

func TestNoErrorTellsAKeyOrItsPassphrase(t *testing.T) {
	t.Parallel()
	passphrase, little := []byte("correct horse"), work{iterations: 1 << 14, scryptMemory: 4 << 20, scryptLanes: 2, bcryptRounds: 2}
	dir := keygen(t, []string{"ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-f", "encrypted", "-N", string(passphrase)})
	content := regexp.MustCompile(`[0-9A-Za-z+/=]{30,}|[0-9]{8,}|(?i)horse`)
	files := [][]byte{
		golden(t, "request.pem"), golden(t, "request_plain.pem"), golden(t, "request_pbkdf2.pem"), golden(t, "request_scrypt.pem"),
		must(marshalOpenSSH(goldenKey(t).key, nil))(t), golden(t, "signing"), readFile(t, dir, "encrypted"),
	}
	failed := 0
	for _, file := range files {
		block, _ := pem.Decode(file)
		for at := range min(len(block.Bytes), 48) {
			damaged := &pem.Block{Type: block.Type, Headers: block.Headers, Bytes: bytes.Clone(block.Bytes)}
			damaged.Bytes[at] ^= 0x41
			data := pem.EncodeToMemory(damaged)
			_, openErr := little.parsePrivateKey(data, passphrase)
			_, signErr := little.parseSigningKey(data, passphrase)
			for _, err := range []error{openErr, signErr} {
				if err != nil && content.MatchString(err.Error()) {
					t.Fatalf("%s, byte %d: %v", block.Type, at, err)
				}
				if err != nil {
					failed++
				}
			}
		}
	}
	if failed < 7*48 {
		t.Errorf("only %d files were refused", failed)
	}
}

func TestKeysOfTheWrongKindAreRefused(t *testing.T) {
	t.Parallel()
	private, public := golden(t, "request_plain.pem"), golden(t, "request.pub")
	signing := must(newSigningKey(t).MarshalPEM(nil))(t)
	small := (&PublicKey{key: &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 511, 1), E: 65537}}).MarshalPEM()
	even := (&PublicKey{key: &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), 2047, 1), E: 65537}}).MarshalPEM()
	whole := goldenKey(t).Public().key
	negative := (&PublicKey{key: &rsa.PublicKey{N: new(big.Int).Neg(whole.N), E: whole.E}}).AuthorizedLine("")
	privateErr := func(data []byte) error { _, err := ParsePrivateKey(data, nil); return err }
	publicErr := func(data []byte) error { _, err := ParsePublicKey(data); return err }
	signErr := func(data []byte) error { _, err := ParseSigningKey(data, nil); return err }
	verifyErr := func(line string) error { _, err := ParseVerifyKey([]byte(line)); return err }
	line := strings.TrimSpace(string(golden(t, "signing.pub")))
	tests := map[string]error{
		"a signing key to open with":     privateErr(signing),
		"a public key to open with":      privateErr(golden(t, "request.pub.pem")),
		"no PEM to open with":            privateErr([]byte("key")),
		"nothing to open with":           privateErr(nil),
		"a huge file to open with":       privateErr(make([]byte, 1<<20)),
		"a request key to sign with":     signErr(private),
		"a private key to seal with":     publicErr(private),
		"a signing key to seal with":     publicErr([]byte(line)),
		"two lines to seal with":         publicErr(append(append(public, '\n'), public...)),
		"nothing to seal with":           publicErr(nil),
		"another blob after ssh-rsa":     publicErr([]byte(strings.Replace(line, "ssh-ed25519", "ssh-rsa", 1))),
		"512 bits to seal with":          publicErr(small),
		"an even modulus":                publicErr(even),
		"a negative modulus":             publicErr([]byte(negative)),
		"nothing to verify with":         verifyErr(""),
		"a request key to verify with":   verifyErr(string(public)),
		"no key after ssh-ed25519":       verifyErr("ssh-ed25519"),
		"no base64 after ssh-ed25519":    verifyErr("ssh-ed25519 !!!!"),
		"a short blob":                   verifyErr("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"),
		"an RSA blob after ssh-ed25519":  verifyErr(strings.Replace(string(public), "ssh-rsa", "ssh-ed25519", 1)),
		"options before the key":         verifyErr(`command="x" ` + line),
		"two lines to verify with":       verifyErr(line + "\n" + line),
		"the dummy entry of the secrets": verifyErr("info"),
	}
	for name, err := range tests {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, bits := range []int{-1, 512, 1 << 20} {
		if _, err := GeneratePrivateKey(bits); err == nil {
			t.Errorf("GeneratePrivateKey(%d): no error", bits)
		}
	}
}
