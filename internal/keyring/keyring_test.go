package keyring

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

var made = sync.OnceValues(func() (keys [3]*envelope.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = envelope.GeneratePrivateKey(2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

// keyOf is one of three keys, made once.
func keyOf(t *testing.T, i int) *envelope.PrivateKey {
	t.Helper()
	keys, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return keys[i]
}

func put(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// file is a key's, encrypted where there is a passphrase: as the deployment guide does it, which takes no time.
func file(t *testing.T, i int, passphrase string) []byte {
	t.Helper()
	text, err := keyOf(t, i).MarshalPEM(nil)
	if err != nil {
		t.Fatal(err)
	}
	if passphrase == "" {
		return text
	}
	block, _ := pem.Decode(text)
	block, err = x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte(passphrase), x509.PEMCipherAES128) //nolint:staticcheck // the wire format's
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// ring is an open Ring with a clock to turn.
type ring struct {
	*Ring
	elapsed time.Duration
	faults  []string
}

func opened(t *testing.T, keys, passphrases []string) *ring {
	t.Helper()
	r := &ring{}
	var err error
	r.Ring, err = Open(keys, passphrases, mounted.Clock(func() time.Time { return time.Unix(0, 0).Add(r.elapsed) }),
		mounted.OnFault(func(err error) { r.faults = append(r.faults, err.Error()) }))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// names are the numbers of the keys.
func names(t *testing.T, keys []*envelope.PrivateKey) string {
	t.Helper()
	var all strings.Builder
	for _, k := range keys {
		for i := range 3 {
			if string(k.Public().MarshalPEM()) == string(keyOf(t, i).Public().MarshalPEM()) {
				all.WriteByte(byte('0' + i))
			}
		}
	}
	return all.String()
}

func (r *ring) later(t *testing.T) string {
	t.Helper()
	r.elapsed += 10 * time.Second
	return names(t, r.Keys())
}

func TestEveryPassphraseIsTriedWithEveryKeyInTheirOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := []string{put(t, dir, "current", file(t, 1, "new")), put(t, dir, "previous", file(t, 0, "old")), put(t, dir, "plain", file(t, 2, ""))}
	phrases := []string{put(t, dir, "old", []byte("old\n")), put(t, dir, "new", []byte("new"))}
	if got := names(t, opened(t, keys, phrases).Keys()); got != "102" {
		t.Error(got)
	}
}

// The secrets as the deployment guide makes them.
func TestMountedSecretsAreRead(t *testing.T) {
	t.Parallel()
	keys, phrases := t.TempDir(), t.TempDir()
	put(t, keys, "ssh-privatekey", file(t, 0, "PassPhrase"))
	put(t, keys, "ssh-publickey", keyOf(t, 0).Public().MarshalPEM())
	put(t, keys, "info", []byte("dummy"))
	put(t, phrases, "ssh-passphrase", []byte("PassPhrase"))
	r := opened(t, []string{keys}, []string{phrases})
	if got := names(t, r.Keys()); got != "0" {
		t.Error(got)
	}
	// A rotation: the new pair comes beside the old one, and the old one goes.
	put(t, keys, "ssh-privatekey-previous", file(t, 0, "PassPhrase"))
	put(t, keys, "ssh-privatekey", file(t, 1, ""))
	put(t, keys, "ssh-publickey", keyOf(t, 1).Public().MarshalPEM())
	if got := r.later(t); got != "10" {
		t.Errorf("with both: %s", got)
	}
	if err := os.Remove(filepath.Join(keys, "ssh-privatekey-previous")); err != nil {
		t.Fatal(err)
	}
	if got := r.later(t); got != "1" || len(r.faults) > 0 {
		t.Errorf("after the rotation: %s, %v", got, r.faults)
	}
}

func TestTheLastGoodKeysStayWhileAFileIsAtFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	current, previous := put(t, dir, "current", file(t, 0, "")), put(t, dir, "previous", file(t, 1, ""))
	r := opened(t, []string{current, previous}, nil)
	put(t, dir, "current", file(t, 2, ""))
	put(t, dir, "previous", []byte("hunter2"))
	for range 2 {
		if got := r.later(t); got != "201" {
			t.Errorf("keys %s; want what can be read, then what was there", got)
		}
	}
	if len(r.faults) != 1 || !strings.Contains(r.faults[0], previous) || strings.Contains(r.faults[0], "hunter2") || strings.Contains(r.faults[0], current) {
		t.Errorf("reported: %q; want once, with the file's name alone", r.faults)
	}
	put(t, dir, "previous", file(t, 0, ""))
	if got := r.later(t); got != "20" || len(r.faults) != 1 {
		t.Errorf("mended: %s, %v", got, r.faults)
	}
}

func TestAPassphraseThatIsWrongIsAFaultThatDoesNotShowIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, phrase := put(t, dir, "key", file(t, 0, "right")), put(t, dir, "phrase", []byte("hunter2"))
	if _, err := Open([]string{key}, []string{phrase}); err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Open = %v", err)
	}
	put(t, dir, "phrase", []byte("right"))
	r := opened(t, []string{key}, []string{phrase})
	put(t, dir, "phrase", []byte("hunter2"))
	if got := r.later(t); got != "0" || len(r.faults) != 1 || strings.Contains(r.faults[0], "hunter2") {
		t.Errorf("%s, %q", got, r.faults)
	}
}

func TestEveryFileMustBeSoundAtTheStart(t *testing.T) {
	t.Parallel()
	dir, empty := t.TempDir(), t.TempDir()
	good, bad, none := put(t, dir, "good", file(t, 0, "")), put(t, dir, "bad", []byte("hunter2")), filepath.Join(dir, "none")
	put(t, empty, "ssh-publickey", keyOf(t, 0).Public().MarshalPEM())
	for name, tc := range map[string]struct {
		keys, phrases []string
		want          string
	}{
		"a broken key":             {[]string{good, bad}, nil, bad},
		"no such key":              {[]string{good, none}, nil, none},
		"no such passphrase":       {[]string{good}, []string{none}, none},
		"a folder without a key":   {[]string{empty}, nil, empty},
		"a public key for private": {[]string{filepath.Join(empty, "ssh-publickey")}, nil, "ssh-publickey"},
	} {
		if _, err := Open(tc.keys, tc.phrases); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutFilesThereAreNoKeys(t *testing.T) {
	t.Parallel()
	r, err := Open(nil, nil)
	if err != nil || r.Keys() != nil {
		t.Errorf("Open = %v, %v", r, err)
	}
}
