package envelope

import (
	"bytes"
	"testing"
)

// What testdata/golden.py made: with PyCryptodome, PyNaCl and sshpubkeys a message as Python clients send it and one as Go
// clients do, and one by the payload builder of the released client.
func TestGoldenEnvelopesAreParsedVerifiedAndOpened(t *testing.T) {
	t.Parallel()
	for file, inner := range goldenEnvelopes {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			m := must(Parse(golden(t, file)))(t)
			if err := m.Verify(newSigningKey(t).Public(), goldenVerifyKey(t)); err != nil {
				t.Errorf("Verify: %v", err)
			}
			got, err := m.Open(otherKey(), goldenKey(t))
			if err != nil || !bytes.Equal(got, golden(t, inner)) {
				t.Errorf("Open = %s, %v", got, err)
			}
		})
	}
}

// goldenEnvelopes are the files that hold an envelope, with what is sealed in it.
var goldenEnvelopes = map[string]string{
	"python.json": "inner.json",        // raw signature, no lifetime
	"go.json":     "inner.json",        // signature in the SSH wire form, pthonver
	"client.json": "client_inner.json", // as studio run publishes it
}

func TestTheHeadersOfGoldenEnvelopesAreRead(t *testing.T) {
	t.Parallel()
	for file, lifetime := range map[string]string{"python.json": "", "go.json": "30m", "client.json": "20m"} {
		h := must(Parse(golden(t, file)))(t).Header
		if h.Status != "waiting" || h.TimeAdded != 1530054413.13 || h.Lifetime != lifetime || !bytes.HasPrefix(h.PythonVer, []byte(`"3.`)) ||
			!bytes.Contains(h.Resources, []byte(`"gpuMem": "4gb"`)) {
			t.Errorf("%s: Header = %+v", file, h)
		}
	}
}

// The fingerprint in the envelopes is of sshpubkeys' making, and that in a key's line is the released client's.
func TestGoldenFingerprintsAreOurs(t *testing.T) {
	t.Parallel()
	key := goldenSigningKey(t)
	for file := range goldenEnvelopes {
		if m := must(Parse(golden(t, file)))(t); m.Fingerprint != key.Public().Fingerprint() {
			t.Errorf("%s: fingerprint %s, ours is %s", file, m.Fingerprint, key.Public().Fingerprint())
		}
	}
}

func TestGoldenKeysAreOneKey(t *testing.T) {
	t.Parallel()
	want := goldenKey(t).Public().Fingerprint()
	for _, name := range []string{"request.pem", "request_pbkdf2.pem", "request_scrypt.pem"} {
		key := must(ParsePrivateKey(golden(t, name), golden(t, "passphrase")))(t)
		if got := key.Public().Fingerprint(); got != want {
			t.Errorf("%s: fingerprint %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"request.pub", "request.pub.pem"} {
		key := must(ParsePublicKey(golden(t, name)))(t)
		if got := key.Fingerprint(); got != want {
			t.Errorf("%s: fingerprint %s, want %s", name, got, want)
		}
	}
}
