package keyfile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const phrase = "PassPhrase"

func passphrase() ([]byte, error) { return []byte(phrase + "\n"), nil }

// tool runs a program that makes or reads keys beside this package.
func tool(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func readKey(t *testing.T, path string) Key {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Parse(data, passphrase)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %v, %v", path, keys, err)
	}
	return keys[0]
}

// create makes a pair and returns its names.
func create(t *testing.T, make func(Names) ([]File, Key, error), names func(string) Names) (Names, Key) {
	t.Helper()
	n := names(filepath.Join(t.TempDir(), "key"))
	files, key, err := make(n)
	if err == nil {
		err = Create(files...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n, key
}

func rsa(o RSAOptions) func(Names) ([]File, Key, error) {
	return func(n Names) ([]File, Key, error) { return NewRSA(n, o) }
}

func signing(n Names) ([]File, Key, error) { return NewSigning(n, "vision team") }

func TestMadeKeysAreReadByOpenSSHAndOpenSSL(t *testing.T) {
	t.Parallel()
	sealed := RSAOptions{Bits: 2048, Passphrase: []byte(phrase)}
	old := sealed
	old.Legacy = true
	for name, tc := range map[string]struct {
		make    func(Names) ([]File, Key, error)
		names   func(string) Names
		openssl bool // reads the private file
		begins  string
	}{
		"request key, as it is made":        {rsa(sealed), RSANames, false, "-----BEGIN OPENSSH PRIVATE KEY-----"},
		"request key for studio-go-runner":  {rsa(old), RSANames, true, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,"},
		"report key without a passphrase":   {rsa(RSAOptions{Bits: 2048}), RSANames, true, "-----BEGIN RSA PRIVATE KEY-----\nMII"},
		"signing key, as the clients do it": {signing, SigningNames, false, "-----BEGIN OPENSSH PRIVATE KEY-----"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, made := create(t, tc.make, tc.names)
			private, public := readKey(t, n.Private), readKey(t, n.Public)
			if err := Pair(private, public); err != nil || !private.Private || public.Private || public.Fingerprint != made.Fingerprint {
				t.Errorf("made %+v, read %+v and %+v: %v", made, private, public, err)
			}
			text, err := os.ReadFile(n.Private)
			if err != nil || !strings.HasPrefix(string(text), tc.begins) {
				t.Errorf("the private file begins with %.60q (%v); want %q", text, err, tc.begins)
			}
			line := tool(t, "ssh-keygen", "-y", "-P", phrase, "-f", n.Private)
			derived, err := Parse([]byte(line), nil)
			if err != nil || derived[0].Fingerprint != made.Fingerprint {
				t.Errorf("ssh-keygen derives %q, %v", line, err)
			}
			if tc.openssl {
				tool(t, "openssl", "rsa", "-in", n.Private, "-passin", "pass:"+phrase, "-noout", "-check")
			}
			if made.Type == RSA {
				tool(t, "openssl", "rsa", "-RSAPublicKey_in", "-in", n.Public, "-noout", "-text")
				return
			}
			if shown := tool(t, "ssh-keygen", "-l", "-f", n.Public); strings.TrimSpace(shown) != public.Line() {
				t.Errorf("ssh-keygen -l prints %q; we print %q", shown, public.Line())
			}
		})
	}
}

func TestKeysOfOtherToolsAreReadAndNamedAsSSHKeygenNamesThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	tool(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-f", path("rsa"), "-C", "Message Encryption Key", "-N", phrase)
	tool(t, "ssh-keygen", "-q", "-t", "ed25519", "-f", path("ed"), "-C", "", "-N", "")
	tool(t, "cp", path("rsa"), path("rsa.pem"))
	tool(t, "ssh-keygen", "-q", "-f", path("rsa.pem"), "-m", "PEM", "-p", "-P", phrase, "-N", phrase)
	for format, as := range map[string]string{"rsa.pub.pem": "PEM", "rsa.pub.pkix": "PKCS8"} {
		if err := os.WriteFile(path(format), []byte(tool(t, "ssh-keygen", "-f", path("rsa.pub"), "-e", "-m", as)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "openssl", "pkcs8", "-topk8", "-in", path("rsa.pem"), "-passin", "pass:"+phrase, "-passout", "pass:"+phrase, "-out", path("rsa.pkcs8"))
	want := map[string]Key{}
	for _, name := range []string{"rsa", "ed"} {
		line := tool(t, "ssh-keygen", "-l", "-f", path(name+".pub"))
		if got := readKey(t, path(name+".pub")).Line(); got != strings.TrimSpace(line) {
			t.Errorf("%s.pub is %q; ssh-keygen says %q", name, got, line)
		}
		want[name] = readKey(t, path(name+".pub"))
	}
	for file, tc := range map[string]struct {
		of        string
		format    string
		encrypted bool
	}{
		"rsa": {"rsa", "OPENSSH PRIVATE KEY", true}, "rsa.pem": {"rsa", "RSA PRIVATE KEY", true}, "rsa.pkcs8": {"rsa", "ENCRYPTED PRIVATE KEY", true},
		"rsa.pub.pem": {"rsa", "RSA PUBLIC KEY", false}, "rsa.pub.pkix": {"rsa", "PUBLIC KEY", false}, "ed": {"ed", "OPENSSH PRIVATE KEY", false},
	} {
		key := readKey(t, path(file))
		if key.Fingerprint != want[tc.of].Fingerprint || key.Format != tc.format || key.Encrypted != tc.encrypted || key.Private == strings.Contains(file, "pub") {
			t.Errorf("%s is %+v", file, key)
		}
	}
}

func TestWhatIsNoPairSaysWhy(t *testing.T) {
	t.Parallel()
	n, _ := create(t, rsa(RSAOptions{Bits: 2048}), RSANames)
	m, _ := create(t, rsa(RSAOptions{Bits: 2048}), RSANames)
	s, _ := create(t, signing, SigningNames)
	o, _ := create(t, signing, SigningNames)
	for name, tc := range map[string]struct{ private, public, says string }{
		"two RSA keys":            {n.Private, m.Public, "not halves of one key: the private one is SHA256:"},
		"two signing keys":        {s.Private, o.Public, "not halves of one key: the private one is SHA256:"},
		"RSA and Ed25519":         {n.Private, s.Public, "the private key is of the type RSA and the public one of ED25519"},
		"the other way round":     {n.Public, n.Private, "give them the other way round"},
		"two private files":       {n.Private, n.Private, "holds a private key, too"},
		"two public files":        {n.Public, n.Public, "give the private one first"},
		"a private one that fits": {n.Private, n.Public, ""},
	} {
		err := Pair(readKey(t, tc.private), readKey(t, tc.public))
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %v; want %q", name, err, tc.says)
		}
	}
}

func TestNothingIsOverwrittenAndNoPartOfAPairIsLeft(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]string{"the private file is there": "key", "the public file is there": "key.pub", "it is a link to nowhere": "key.pub link"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := SigningNames(filepath.Join(t.TempDir(), "key"))
			there, link := strings.CutSuffix(filepath.Join(filepath.Dir(n.Private), taken), " link")
			err := os.WriteFile(there, []byte("mine"), 0o600)
			if link {
				err = errors.Join(os.Remove(there), os.Symlink("nowhere", there))
			}
			if err != nil {
				t.Fatal(err)
			}
			files, _, err := signing(n)
			if err != nil {
				t.Fatal(err)
			}
			if err := Create(files...); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), there) {
				t.Errorf("Create = %v; want that %s is there", err, there)
			}
			entries, err := os.ReadDir(filepath.Dir(n.Private))
			if err != nil || len(entries) != 1 {
				t.Errorf("left are %v, %v", entries, err)
			}
			if data, err := os.ReadFile(there); !link && (err != nil || string(data) != "mine") {
				t.Errorf("the file is %q now, %v", data, err)
			}
		})
	}
}

func TestANameThatIsTakenAtTheLastMomentTakesBackWhatWasMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "twice")
	err := Create(File{filepath.Join(dir, "first"), []byte("1"), Secret}, File{path, []byte("2"), Secret}, File{path, []byte("3"), Secret})
	entries, readErr := os.ReadDir(dir)
	if !errors.Is(err, ErrExists) || readErr != nil || len(entries) != 0 {
		t.Errorf("Create = %v; left are %v, %v", err, entries, readErr)
	}
}

func TestPrivateFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	n, _ := create(t, rsa(RSAOptions{Bits: 2048}), RSANames)
	for path, want := range map[string]os.FileMode{n.Private: 0o600, n.Public: 0o644} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestAnInterruptedFinishIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	for step := range 4 {
		name := filepath.Join(t.TempDir(), "key")
		current := RSANames(name)
		next := current.Next(name)
		for path, text := range map[string]string{
			current.Private: "old private", current.Public: "old public", current.Passphrase: "old phrase",
			next.Private: "new private", next.Public: "new public", next.Passphrase: "new phrase",
		} {
			if err := Create(File{path, []byte(text), Secret}); err != nil {
				t.Fatal(err)
			}
		}
		moves := [][2]string{{next.Public, current.Public}, {next.Passphrase, current.Passphrase}, {next.Private, current.Private}}
		for _, move := range moves[:step] { // what an interrupted call had done
			if err := os.Rename(move[0], move[1]); err != nil {
				t.Fatal(err)
			}
		}
		err := Finish(current, next)
		if step == len(moves) {
			if err == nil || !strings.Contains(err.Error(), "no rotation to finish") {
				t.Errorf("finished twice: %v", err)
			}
		} else if err != nil {
			t.Errorf("after %d steps: %v", step, err)
		}
		for path, want := range map[string]string{current.Private: "new private", current.Public: "new public", current.Passphrase: "new phrase"} {
			if text, err := os.ReadFile(path); err != nil || string(text) != want {
				t.Errorf("after %d steps %s is %q, %v", step, path, text, err)
			}
		}
	}
}

func TestFaultsOfFilesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	wrong := func() ([]byte, error) { return []byte("another"), nil }
	n, _ := create(t, rsa(RSAOptions{Bits: 2048, Passphrase: []byte(phrase)}), RSANames)
	sealed, err := os.ReadFile(n.Private)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		data string
		says string
	}{
		"empty":             {"\n# a comment\n", "there is no key in it"},
		"text":              {"hunter2", "neither PEM nor a line that begins with ssh-rsa or ssh-ed25519"},
		"a line cut short":  {"ssh-ed25519 AAAA", "does not encode an ssh-ed25519 key"},
		"a certificate":     {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", `"CERTIFICATE" is no private key`},
		"a wrong phrase":    {string(sealed), "passphrase missing or wrong"},
		"an empty PEM file": {"-----BEGIN RSA PUBLIC KEY-----\n-----END RSA PUBLIC KEY-----", "parse public key"},
	} {
		keys, err := Parse([]byte(tc.data), wrong)
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, %v; want %q", name, keys, err, tc.says)
		}
	}
}
