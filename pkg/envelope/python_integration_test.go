//go:build integration

package envelope

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The libraries that clients use, and the released client's own payload builder, answer what this package seals, signs and
// writes with keys of its own making: testdata/golden.py opens and verifies it, reads the key files, and seals for them.
func TestPythonOpensWhatGoSealsAndGoWhatPythonSeals(t *testing.T) {
	t.Parallel()
	key, sign, inner := must(GeneratePrivateKey(3072))(t), newSigningKey(t), []byte(`{"experiment":{"args":["--note=é ✓"]}}`)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"request.pem":           must(key.MarshalPEM(nil))(t),
		"request_encrypted.pem": must(key.MarshalPEM([]byte("PassPhrase")))(t),
		"request.pub.pem":       key.Public().MarshalPEM(),
		"request.pub":           []byte(key.Public().AuthorizedLine("request")),
		"signing":               must(sign.MarshalPEM(nil))(t),
		"signing.pub":           []byte(sign.Public().AuthorizedLine("signing")),
		"ours.json":             must(New(Header{Status: "waiting"}, inner, key.Public(), sign))(t),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	python(t, "golden.py", "answer", dir)

	if opened := readFile(t, dir, "opened"); !bytes.Equal(opened, inner) {
		t.Errorf("Python opened %q, sealed was %q", opened, inner)
	}
	var prints map[string]string
	if err := json.Unmarshal(readFile(t, dir, "fingerprints.json"), &prints); err != nil {
		t.Fatal(err)
	}
	if prints["request.pub"] != key.Public().Fingerprint() || prints["signing.pub"] != sign.Public().Fingerprint() {
		t.Errorf("sshpubkeys has the fingerprints %v", prints)
	}
	for file, inner := range goldenEnvelopes {
		m := must(Parse(readFile(t, dir, file)))(t)
		if err := m.Verify(sign.Public()); err != nil {
			t.Errorf("%s: Verify: %v", file, err)
		}
		if got, err := m.Open(key); err != nil || !bytes.Equal(got, readFile(t, dir, inner)) {
			t.Errorf("%s: Open = %s, %v", file, got, err)
		}
	}
}

// python runs a script of testdata with what its requirements.txt names, by the uv that make build puts into bin/.
func python(t *testing.T, argv ...string) {
	t.Helper()
	uv := os.Getenv("UV")
	if uv == "" {
		uv = must(filepath.Abs("../../bin/uv"))(t)
	}
	cmd := exec.CommandContext(t.Context(), uv, append([]string{"run", "--quiet", "--no-project", "--with-requirements", "requirements.txt"}, argv...)...)
	cmd.Dir = "testdata"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}
