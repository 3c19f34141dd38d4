package envelope

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func opens(t *testing.T, key *PrivateKey, to *PublicKey) {
	t.Helper()
	payload := must(Seal([]byte("text"), to))(t)
	if inner, err := Open(payload, key); err != nil || string(inner) != "text" {
		t.Errorf("Open = %q, %v", inner, err)
	}
}

// The commands are the deployment guide's, with a smaller key and fewer rounds.
func TestKeysOfTheDeploymentGuideAreRead(t *testing.T) {
	t.Parallel()
	dir := keygen(t,
		[]string{"ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-a", "1", "-f", "key", "-C", "Message Encryption Key", "-N", "PassPhrase"},
		[]string{"sh", "-c", "ssh-keygen -f key.pub -e -m PEM > key.pub.pem"},
		[]string{"cp", "key", "key.pem"},
		[]string{"ssh-keygen", "-q", "-f", "key.pem", "-e", "-m", "PEM", "-p", "-P", "PassPhrase", "-N", "PassPhrase"},
	)
	pkcs1 := readFile(t, dir, "key.pem")
	if !strings.Contains(string(pkcs1), "DEK-Info") {
		t.Fatalf("ssh-keygen wrote another format:\n%.80s", pkcs1)
	}
	for _, file := range []string{"key", "key.pem"} {
		for _, public := range []string{"key.pub", "key.pub.pem"} {
			key := must(ParsePrivateKey(readFile(t, dir, file), []byte("PassPhrase\n")))(t)
			opens(t, key, must(ParsePublicKey(readFile(t, dir, public)))(t))
		}
	}
}

func TestEveryPrivateKeyFormatIsRead(t *testing.T) {
	t.Parallel()
	dir := keygen(t,
		[]string{"openssl", "genrsa", "-out", "pkcs8", "2048"},
		[]string{"openssl", "rsa", "-in", "pkcs8", "-pubout", "-out", "pkix"},
		[]string{"openssl", "rsa", "-in", "pkcs8", "-RSAPublicKey_out", "-out", "pkcs1pub"},
	)
	convert := map[string][]string{ // a plain key to the format
		"PKCS#1":                    {"openssl", "rsa", "-traditional", "-in", "pkcs8", "-out", "PKCS#1"},
		"PKCS#1, DES":               {"openssl", "rsa", "-traditional", "-des3", "-passout", "pass:p wd\t", "-in", "pkcs8", "-out", "PKCS#1, DES"},
		"PKCS#1, AES-256":           {"openssl", "rsa", "-traditional", "-aes256", "-passout", "pass:p wd\t", "-in", "pkcs8", "-out", "PKCS#1, AES-256"},
		"PKCS#8, SHA-256, AES-256":  pkcs8("SHA-256, AES-256", "-v2", "aes-256-cbc"),
		"PKCS#8, SHA-1, 3DES":       pkcs8("SHA-1, 3DES", "-v2", "des3", "-v2prf", "hmacWithSHA1"),
		"PKCS#8, SHA-224, AES-192":  pkcs8("SHA-224, AES-192", "-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA224"),
		"PKCS#8, SHA-384, AES-128":  pkcs8("SHA-384, AES-128", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA384"),
		"PKCS#8, SHA-512, AES-256":  pkcs8("SHA-512, AES-256", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"),
		"PKCS#8, many iterations":   pkcs8("many iterations", "-iter", "60000"),
		"PKCS#8, scrypt":            pkcs8("scrypt", "-scrypt"),
		"OPENSSH, plain":            openssh("OPENSSH, plain", ""),
		"OPENSSH, encrypted":        openssh("OPENSSH, encrypted", "p wd\t"),
		"OPENSSH, AES-256-CBC":      append(openssh("OPENSSH, AES-256-CBC", "p wd\t"), "-Z", "aes256-cbc"),
		"PKCS#8 as ssh-keygen does": append(openssh("PKCS#8 as ssh-keygen does", "p wd\t"), "-m", "PKCS8"),
	}
	plain := must(ParsePrivateKey(readFile(t, dir, "pkcs8"), []byte("ignored")))(t)
	opens(t, plain, must(ParsePublicKey(readFile(t, dir, "pkix")))(t))
	opens(t, plain, must(ParsePublicKey(readFile(t, dir, "pkcs1pub")))(t))
	for name, command := range convert {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := keygen(t,
				[]string{"cp", dir + "/pkcs8", "."},
				[]string{"cp", "pkcs8", name},
				[]string{"chmod", "600", name},
				command)
			data := readFile(t, out, name)
			key := must(ParsePrivateKey(data, []byte("p wd\t")))(t)
			opens(t, key, plain.Public())
			if strings.Contains(name, "plain") || name == "PKCS#1" {
				return
			}
			for _, wrong := range []string{"", "\n", "p wd", "p wd\t\n\n", "P wd\t"} {
				if _, err := ParsePrivateKey(data, []byte(wrong)); !errors.Is(err, ErrPassphrase) {
					t.Errorf("with passphrase %q: %v", wrong, err)
				}
			}
		})
	}
}

func pkcs8(name string, options ...string) []string {
	return append([]string{"openssl", "pkcs8", "-topk8", "-passout", "pass:p wd\t", "-in", "pkcs8", "-out", "PKCS#8, " + name}, options...)
}

func openssh(name, passphrase string) []string {
	return []string{"ssh-keygen", "-q", "-p", "-a", "1", "-f", name, "-P", "", "-N", passphrase}
}

func TestSigningKeysOfTheUsualToolsAreRead(t *testing.T) {
	t.Parallel()
	dir := keygen(t,
		[]string{"ssh-keygen", "-q", "-t", "ed25519", "-f", "plain", "-C", "someone@somewhere", "-N", ""},
		[]string{"ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-f", "encrypted", "-N", "PassPhrase"},
		[]string{"sh", "-c", "for k in plain encrypted; do ssh-keygen -l -E sha256 -f $k.pub | cut -d' ' -f2 > $k.fingerprint; done"},
		[]string{"openssl", "genpkey", "-algorithm", "ed25519", "-out", "openssl"},
		[]string{"openssl", "pkcs8", "-topk8", "-in", "openssl", "-passout", "pass:PassPhrase", "-out", "openssl_encrypted"},
	)
	for _, name := range []string{"plain", "encrypted"} {
		key := must(ParseSigningKey(readFile(t, dir, name), []byte("PassPhrase")))(t)
		public := must(ParseVerifyKey(readFile(t, dir, name+".pub")))(t)
		if key.Public() != public {
			t.Errorf("%s: the halves differ", name)
		}
		if want := strings.TrimSpace(string(readFile(t, dir, name+".fingerprint"))); public.Fingerprint() != want {
			t.Errorf("%s: fingerprint %s, ssh-keygen says %s", name, public.Fingerprint(), want)
		}
		if err := signed(key).Verify(public); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseSigningKey(readFile(t, dir, "encrypted"), []byte("other")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	plain := must(ParseSigningKey(readFile(t, dir, "openssl"), nil))(t)
	if again := must(ParseSigningKey(readFile(t, dir, "openssl_encrypted"), []byte("PassPhrase")))(t); again.Public() != plain.Public() {
		t.Error("PKCS#8, encrypted: another key")
	}
}

func TestRequestKeysAreNamedAndWrittenAsSSHKeygenDoes(t *testing.T) {
	t.Parallel()
	for _, bits := range []string{"1024", "2048", "3072"} {
		dir := keygen(t,
			[]string{"ssh-keygen", "-q", "-t", "rsa", "-b", bits, "-f", "key", "-C", "me@here", "-N", ""},
			[]string{"sh", "-c", "ssh-keygen -l -E sha256 -f key.pub | cut -d' ' -f2 > fingerprint"})
		want := strings.TrimSpace(string(readFile(t, dir, "fingerprint")))
		line := strings.TrimSpace(string(readFile(t, dir, "key.pub")))
		for _, key := range []*PublicKey{
			must(ParsePublicKey([]byte(line)))(t),
			must(ParsePrivateKey(readFile(t, dir, "key"), nil))(t).Public(),
		} {
			if got := key.Fingerprint(); got != want {
				t.Errorf("%s bits: fingerprint %s, ssh-keygen says %s", bits, got, want)
			}
			if got := key.AuthorizedLine("me@here"); got != line {
				t.Errorf("%s bits: wrote %s, ssh-keygen %s", bits, got, line)
			}
		}
	}
	if got := new(PublicKey).Fingerprint(); got != "" {
		t.Errorf("a zero key has the fingerprint %s", got)
	}
}

func TestOurKeyFilesAreReadByUs(t *testing.T) {
	t.Parallel()
	key, sign := goldenKey(t), newSigningKey(t)
	for _, passphrase := range []string{"", "PassPhrase"} {
		data := must(key.MarshalPEM([]byte(passphrase)))(t)
		opens(t, must(ParsePrivateKey(data, []byte(passphrase)))(t), key.Public())
		data = must(sign.MarshalPEM([]byte(passphrase)))(t)
		if again := must(ParseSigningKey(data, []byte(passphrase)))(t); again.Public() != sign.Public() {
			t.Error("the signing key changed")
		}
	}
	opens(t, key, must(ParsePublicKey(key.Public().MarshalPEM()))(t))
	opens(t, key, must(ParsePublicKey([]byte(key.Public().AuthorizedLine("me@here"))))(t))
	line := sign.Public().AuthorizedLine("me@here")
	if got := must(ParseVerifyKey([]byte(line)))(t); got != sign.Public() || !strings.HasSuffix(line, " me@here") {
		t.Errorf("AuthorizedLine = %s", line)
	}
}

func TestOurKeyFilesAreReadBySSHKeygenAndOpenSSL(t *testing.T) {
	t.Parallel()
	key, sign := goldenKey(t), newSigningKey(t)
	file := func(name string, data []byte) []string {
		return []string{"sh", "-c", "umask 77; printf %s \"$1\" > " + name, "sh", string(data)}
	}
	dir := keygen(t,
		file("request", must(key.MarshalPEM([]byte("PassPhrase")))(t)),
		file("request_plain", must(key.MarshalPEM(nil))(t)),
		file("signing", must(sign.MarshalPEM([]byte("PassPhrase")))(t)),
		file("public", key.Public().MarshalPEM()),
		[]string{"sh", "-c", "for k in request signing; do ssh-keygen -y -P PassPhrase -f $k > $k.pub; done"},
		[]string{"openssl", "rsa", "-in", "request_plain", "-check", "-noout"},
		[]string{"openssl", "rsa", "-RSAPublicKey_in", "-in", "public", "-pubout", "-out", "pkix"})
	if got := must(ParseVerifyKey(readFile(t, dir, "signing.pub")))(t); got != sign.Public() {
		t.Error("ssh-keygen reads another signing key")
	}
	for _, name := range []string{"request.pub", "pkix"} {
		if got := must(ParsePublicKey(readFile(t, dir, name)))(t); got.Fingerprint() != key.Public().Fingerprint() {
			t.Errorf("%s holds another key", name)
		}
	}
}

// Signatures by such a key verify nowhere, and could give it away.
// What is wrong with a file is told without what is in it, wherever it is damaged.
func TestVerifyKeysStandInJSON(t *testing.T) {
	t.Parallel()
	key := goldenVerifyKey(t)
	data := must(json.Marshal([]VerifyKey{key}))(t)
	var again []VerifyKey
	if err := json.Unmarshal(data, &again); err != nil || len(again) != 1 || again[0] != key {
		t.Errorf("%s became %v, %v", data, again, err)
	}
	if err := json.Unmarshal([]byte(`["info"]`), &again); err == nil {
		t.Error("a dummy became a key")
	}
	if _, err := json.Marshal(VerifyKey{}); err == nil {
		t.Error("a zero key was written")
	}
}
