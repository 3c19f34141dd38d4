package envelope

import (
	"bytes"
	"testing"
)

// What testdata/golden.py made with PyCryptodome and PyNaCl: one message as Python clients send it, one as Go clients do.
func TestGoldenEnvelopesAreParsedVerifiedAndOpened(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, lifetime string
	}{
		"raw signature, pythonver, no lifetime": {file: "python.json"},
		"SSH signature, pthonver":               {file: "go.json", lifetime: "30m"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := golden(t, tc.file)
			if !Detect(body) {
				t.Fatal("Detect = false")
			}
			m := must(Parse(body))(t)
			h := m.Header
			if h.Status != "waiting" || h.TimeAdded != 1530054413.13 || h.Lifetime != tc.lifetime || string(h.PythonVer) != `"3.6"` {
				t.Errorf("Header = %+v", h)
			}
			if err := m.Verify(newSigningKey(t).Public(), goldenVerifyKey(t)); err != nil {
				t.Errorf("Verify: %v", err)
			}
			inner, err := m.Open(goldenKey(t))
			if err != nil || !bytes.Equal(inner, golden(t, "inner.json")) {
				t.Errorf("Open = %s, %v", inner, err)
			}
		})
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
