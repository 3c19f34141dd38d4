package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clusterKeys are folders and files as a cluster reads them, and the fingerprints that they hold.
type clusterKeys struct {
	user
	dir   string
	flags []string
	want  []string // what accepted is to print: what for, the prefix and the fingerprint
}

func newClusterKeys(t *testing.T) clusterKeys {
	t.Helper()
	c := clusterKeys{user: newUser(t, nil), dir: t.TempDir()}
	request := c.makes("request", filepath.Join(c.dir, "request"), "--bits", "2048", "--legacy")
	next := c.makes("rotate", "request", filepath.Join(c.dir, "request"), "--new-passphrase")
	signing, other := c.makes("signing", filepath.Join(c.dir, "signing")), c.makes("signing", filepath.Join(c.dir, "other"))
	report := c.makes("report", filepath.Join(c.dir, "report"), "--bits", "2048")
	for name, text := range map[string]string{
		"keys/ssh-privatekey": read(t, request.Files["private"]), "keys/ssh-publickey": read(t, request.Files["public"]),
		"keys/ssh-privatekey-next": read(t, next.Files["next private"]),
		"phrases/ssh-passphrase":   read(t, request.Files["passphrase"]), "phrases/ssh-passphrase-next": read(t, next.Files["next passphrase"]),
		"signers/info": "dummy", "signers/rmq_lab": read(t, signing.Files["public"]) + read(t, other.Files["public"]),
		"reports/info": "dummy", "reports/rmq_lab": read(t, report.Files["public"]),
		"tenants.json": fmt.Sprintf(`{"tenants":[{"prefix":"rmq_","store":"open-store","metadata":"open-metadata"},
			{"prefix":"rmq_own","store":"own-store","metadata":"own-metadata","signing_keys":[%q]}]}`, strings.TrimSpace(read(t, signing.Files["public"]))),
	} {
		c.put(name, text)
	}
	c.flags = []string{
		"--tenants", c.path("tenants.json"), "--signing-keys", c.path("signers"), "--report-keys", c.path("reports"),
		"--request-keys", c.path("keys"), "--passphrase-file", c.path("phrases"),
	}
	c.want = []string{
		"request  " + request.Fingerprint, "request  " + next.Fingerprint, "signing rmq_own " + signing.Fingerprint,
		"signing rmq_lab " + signing.Fingerprint, "signing rmq_lab " + other.Fingerprint, "report rmq_lab " + report.Fingerprint,
	}
	return c
}

func (c clusterKeys) path(name string) string { return filepath.Join(c.dir, name) }

func (c clusterKeys) put(name, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// accepted runs the command and returns what it lists.
func (c clusterKeys) accepted(args ...string) (code int, list []string, errOut string) {
	c.t.Helper()
	code, out, errOut := c.run(append([]string{"keys", "accepted", "--json"}, args...)...)
	for line := range strings.Lines(out) {
		var k struct{ For, Prefix, Fingerprint, From string }
		if err := json.Unmarshal([]byte(line), &k); err != nil || k.From == "" {
			c.t.Fatalf("accepted printed %q: %v", line, err)
		}
		list = append(list, k.For+" "+k.Prefix+" "+k.Fingerprint)
	}
	slices.Sort(list)
	return code, list, errOut
}

func TestWhatAClusterAcceptsIsShownFromItsFiles(t *testing.T) {
	t.Parallel()
	c := newClusterKeys(t)
	slices.Sort(c.want)
	if code, list, errOut := c.accepted(c.flags...); code != 0 || !slices.Equal(list, c.want) {
		t.Errorf("accepted = %d, %q, %s; want %q", code, list, errOut, c.want)
	}
	out := c.must(append([]string{"keys", "accepted"}, c.flags...)...)
	if !strings.Contains(out, "rmq_lab…") || !strings.Contains(out, "request  all") || strings.Contains(out, "PRIVATE") {
		t.Errorf("people see:\n%s", out)
	}
}

func TestWhatAClusterAcceptsIsShownFromItsSecrets(t *testing.T) {
	t.Parallel()
	c := newClusterKeys(t)
	var items []any
	for folder, name := range map[string]string{"keys": requestSecret, "phrases": passphraseSecret, "signers": signingSecret, "reports": reportSecret} {
		data := map[string][]byte{}
		for file, text := range contents(t, c.path(folder)) {
			data[file] = []byte(text)
		}
		items = append(items, map[string]any{"kind": "Secret", "metadata": map[string]string{"name": name}, "data": data})
	}
	items = append(items, map[string]any{"kind": "Secret", "metadata": map[string]string{"name": "hunter2"}, "data": map[string][]byte{"x": []byte("y")}})
	list, err := json.Marshal(map[string]any{"kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	c.put("secrets.json", string(list))
	want := slices.DeleteFunc(c.want, func(line string) bool { return strings.Contains(line, "rmq_own") }) // of the tenants file
	slices.Sort(want)
	if code, got, errOut := c.accepted("--secrets", c.path("secrets.json")); code != 0 || !slices.Equal(got, want) {
		t.Errorf("accepted = %d, %q, %s; want %q", code, got, errOut, want)
	}
	for text, says := range map[string]string{`{"kind":"List","items":[]}`: "there is none of the secrets", "hunter2": "that is not what"} {
		c.put("secrets.json", text)
		if code, _, errOut := c.accepted("--secrets", c.path("secrets.json")); code != 1 || !strings.Contains(errOut, says) || strings.Contains(errOut, "hunter2") {
			t.Errorf("%s: %d, %s", text, code, errOut)
		}
	}
}

func TestWhatIsAtFaultIsNamedBesideWhatIsAccepted(t *testing.T) {
	t.Parallel()
	c := newClusterKeys(t)
	sound := len(c.want)
	c.makes("request", c.path("third"), "--bits", "2048")
	for name, text := range map[string]string{
		"signers/rmq_bad": "ssh-ed25519 hunter2", "signers/rmq_rsa": read(t, c.path("report.pub.pem")), "reports/rmq_bad": "hunter2",
		"keys/ssh-publickey": read(t, c.path("report.pub.pem")), "keys/ssh-signing": read(t, c.path("signing.pub")), "keys/ssh-privatekey-third": read(t, c.path("third.pem")),
	} {
		c.put(name, text)
	}
	code, list, errOut := c.accepted(c.flags...)
	if code != 1 || len(list) != sound || strings.Contains(errOut, "hunter2") {
		t.Errorf("accepted = %d, %q: %s", code, list, errOut)
	}
	for _, says := range []string{
		c.path("signers/rmq_bad") + ": line 1:", c.path("signers/rmq_rsa") + ": line 1:", c.path("reports/rmq_bad") + ": parse public key",
		c.path("keys/ssh-publickey") + ": none of the private keys here opens what is sealed for it, SHA256:",
		c.path("keys/ssh-signing") + ": it opens no request", c.path("keys/ssh-privatekey-third") + ": parse private key: passphrase missing or wrong",
	} {
		if !strings.Contains(errOut, says) {
			t.Errorf("not said is %q:\n%s", says, errOut)
		}
	}
	if code, _, errOut := c.accepted("--request-keys", c.path("nowhere")); code != 1 || !strings.Contains(errOut, "nowhere") {
		t.Errorf("a folder that is not there: %d, %s", code, errOut)
	}
}
