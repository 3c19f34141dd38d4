package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// madeKey is what --json says of a key that was made.
type madeKey struct {
	Bits        int
	Fingerprint string
	Files       map[string]string
	Next        []string
}

// makes runs a command of keys that is to succeed, in a folder of the test.
func (u user) makes(args ...string) (m madeKey) {
	u.t.Helper()
	out := u.must(append([]string{"keys", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		u.t.Fatalf("studioctl keys %v printed %q: %v", args, out, err)
	}
	for what, file := range m.Files {
		info, err := os.Stat(file)
		want := fs.FileMode(0o600)
		if strings.Contains(what, "public") {
			want = 0o644
		}
		if err != nil || info.Mode() != want {
			u.t.Errorf("%s %s has the mode %v, %v; want %v", what, file, info.Mode(), err, want)
		}
	}
	return m
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// contents are those of a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		all[e.Name()] = read(t, filepath.Join(dir, e.Name()))
	}
	return all
}

func TestKeysAreMadeForTheirReadersAndNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args  []string
		files string
	}{
		"request": {[]string{"request", "--bits", "2048"}, "passphrase private public"},
		"legacy":  {[]string{"request", "--bits", "2048", "--legacy"}, "passphrase private public"},
		"signing": {[]string{"signing", "--queue-prefix", "rmq_lab", "--comment", "it's Ada's"}, "private public"},
		"report":  {[]string{"report", "--bits", "2048", "--queue-prefix", "rmq_lab"}, "private public"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, path := newUser(t, nil), filepath.Join(t.TempDir(), "a key")
			args := append([]string{"keys", tc.args[0], path}, tc.args[1:]...)
			code, out, errOut := u.run(append(args, "--json")...)
			var m madeKey
			if err := json.Unmarshal([]byte(out), &m); code != 0 || err != nil {
				t.Fatalf("studioctl %v = %d, %s%s: %v", args, code, out, errOut, err)
			}
			made := contents(t, filepath.Dir(path))
			for what, file := range m.Files {
				if _, ok := made[filepath.Base(file)]; !ok || !strings.Contains(tc.files, what) {
					t.Errorf("%s is %s; there are %d files", what, file, len(made))
				}
				if !strings.Contains(what, "public") && strings.Contains(out+errOut, strings.TrimSpace(made[filepath.Base(file)])) {
					t.Errorf("the %s is printed", what)
				}
			}
			if len(m.Files) != len(strings.Fields(tc.files)) || len(made) != len(m.Files) {
				t.Errorf("told are %v, made %d files", m.Files, len(made))
			}
			if checked := u.must("keys", "check", m.Files["private"], m.Files["public"]); !strings.Contains(checked, m.Fingerprint) {
				t.Errorf("check says %q", checked)
			}
			secrets := kubectl(t, m.Next)
			for entry, text := range secrets {
				if entry == "studioml-runner-passphrase-secret/ssh-passphrase" {
					continue
				}
				keys, err := keyfile.Parse([]byte(text), func() ([]byte, error) { return []byte(read(t, m.Files["passphrase"])), nil })
				if err != nil || keys[0].Fingerprint != m.Fingerprint {
					t.Errorf("%s is %v, %v; want %s", entry, keys, err, m.Fingerprint)
				}
			}
			if len(secrets) == 0 {
				t.Error("no command puts the key into the cluster")
			}
			if code, _, errOut := u.run(args...); code != 1 || !strings.Contains(errOut, "is never overwritten: give another NAME") {
				t.Errorf("made twice: %d, %s", code, errOut)
			}
			for name, text := range contents(t, filepath.Dir(path)) {
				if made[name] != text {
					t.Errorf("%s is changed or new", name)
				}
			}
		})
	}
}

// kubectl runs the commands that are for kubectl with one that takes down what it is given, and returns the secrets' entries.
func kubectl(t *testing.T, commands []string) map[string]string {
	t.Helper()
	bin, written := t.TempDir(), filepath.Join(t.TempDir(), "written")
	stand := "#!/bin/bash\n[ \"$1\" = replace ] && exec cat >/dev/null\nprintf '%s\\0' \"$@\" >>" + written + "\n"
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(stand), 0o755); err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, command := range commands {
		if !strings.HasPrefix(command, "kubectl ") {
			continue
		}
		shell := exec.CommandContext(t.Context(), "bash", "-c", command)
		shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	name, last := "", ""
	for arg := range strings.SplitSeq(read(t, written), "\x00") {
		var data struct{ StringData map[string]string }
		switch of, found := strings.CutPrefix(arg, "--from-file="); {
		case found:
			entry, file, _ := strings.Cut(of, "=")
			entries[name+"/"+entry] = read(t, file)
		case last == "generic" || last == "secret" && arg != "generic":
			name = arg
		case last == "--patch":
			if err := json.Unmarshal([]byte(arg), &data); err != nil {
				t.Fatal(err)
			}
			for entry, text := range data.StringData {
				entries[name+"/"+entry] = text
			}
		}
		last = arg
	}
	return entries
}

func TestAPassphraseComesFromAFileAndIsUsedByteForByte(t *testing.T) {
	t.Parallel()
	u, dir := newUser(t, nil), t.TempDir()
	phrase := filepath.Join(dir, "secret_phrase")
	if err := os.WriteFile(phrase, []byte(" Pass Phrase \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := u.makes("request", filepath.Join(dir, "key"), "--bits", "2048", "--passphrase-file", phrase)
	if m.Files["passphrase"] != phrase {
		t.Errorf("told are %v", m.Files)
	}
	if _, err := envelope.ParsePrivateKey([]byte(read(t, m.Files["private"])), []byte(" Pass Phrase ")); err != nil {
		t.Error(err)
	}
	if code, _, errOut := u.run("keys", "fingerprint", m.Files["private"]); code != 1 || !strings.Contains(errOut, "give --passphrase-file") {
		t.Errorf("without it: %d, %s", code, errOut)
	}
	if out := u.must("keys", "fingerprint", m.Files["private"], "--passphrase-file", phrase); !strings.HasPrefix(out, "2048 "+m.Fingerprint) {
		t.Errorf("with it: %s", out)
	}
}

func TestARequestKeyIsRotatedWithoutAMomentInWhichNoKeyOpens(t *testing.T) {
	t.Parallel()
	u, name := newUser(t, nil), filepath.Join(t.TempDir(), "request")
	old := u.makes("request", name, "--bits", "2048", "--legacy")
	before := contents(t, filepath.Dir(name))
	next := u.makes("rotate", "request", name, "--new-passphrase", "--overlap", "1h")
	for file, text := range before {
		if read(t, filepath.Join(filepath.Dir(name), file)) != text {
			t.Errorf("%s is changed when the rotation begins", file)
		}
	}
	if text := read(t, next.Files["next private"]); !strings.Contains(text, "DEK-Info") || next.Bits != 2048 {
		t.Error("the new key is not in the format and size of the old one")
	}
	u.must("keys", "check", next.Files["next private"], next.Files["next public"])
	secrets := kubectl(t, next.Next)
	for entry, text := range map[string]string{
		"studioml-runner-key-secret/ssh-privatekey": before["request.pem"], "studioml-runner-key-secret/ssh-publickey": before["request.pub.pem"],
		"studioml-runner-key-secret/ssh-privatekey-next":        read(t, next.Files["next private"]),
		"studioml-runner-passphrase-secret/ssh-passphrase":      before["request.passphrase"],
		"studioml-runner-passphrase-secret/ssh-passphrase-next": read(t, next.Files["next passphrase"]),
	} {
		if secrets[entry] != text {
			t.Errorf("the secret's entry %s is another file", entry)
		}
	}
	for again, says := range map[string]string{"": "a rotation has begun already", "--finish": "give --now if none waits any more"} {
		if code, _, errOut := u.run(strings.Fields("keys rotate request " + name + " " + again)...); code != 1 || !strings.Contains(errOut, says) {
			t.Errorf("rotate %s = %d, %s; want %q", again, code, errOut, says)
		}
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(next.Files["next private"], long, long); err != nil {
		t.Fatal(err)
	}
	done := u.makes("rotate", "request", name, "--finish", "--overlap", "1h")
	if done.Fingerprint != next.Fingerprint || done.Fingerprint == old.Fingerprint {
		t.Errorf("the key is %s; it was %s and %s was to come", done.Fingerprint, old.Fingerprint, next.Fingerprint)
	}
	u.must("keys", "check", name+".pem", name+".pub.pem")
	after := contents(t, filepath.Dir(name))
	if len(after) != 3 || after["request.passphrase"] == before["request.passphrase"] || kubectl(t, done.Next)["studioml-runner-key-secret/ssh-privatekey"] != after["request.pem"] {
		t.Errorf("left are %d files; %v", len(after), done.Next)
	}
	if code, _, errOut := u.run("keys", "rotate", "request", name, "--finish"); code != 1 || !strings.Contains(errOut, "no rotation to finish") {
		t.Errorf("finished twice: %d, %s", code, errOut)
	}
}

func TestASigningKeyIsRotatedWhileTheClusterAcceptsBoth(t *testing.T) {
	t.Parallel()
	u, name := newUser(t, nil), filepath.Join(t.TempDir(), "signing")
	old := u.makes("signing", name)
	next := u.makes("rotate", "signing", name, "--queue-prefix", "rmq_lab")
	accepted, err := keyfile.Parse([]byte(kubectl(t, next.Next)["studioml-signing/rmq_lab"]), nil)
	if err != nil || len(accepted) != 2 || accepted[0].Fingerprint != old.Fingerprint || accepted[1].Fingerprint != next.Fingerprint {
		t.Errorf("the cluster is to accept %v, %v; want %s and %s", accepted, err, old.Fingerprint, next.Fingerprint)
	}
	done := u.makes("rotate", "signing", name, "--queue-prefix", "rmq_lab", "--finish")
	accepted, err = keyfile.Parse([]byte(kubectl(t, done.Next)["studioml-signing/rmq_lab"]), nil)
	if err != nil || len(accepted) != 1 || accepted[0].Fingerprint != next.Fingerprint || done.Fingerprint != next.Fingerprint {
		t.Errorf("in the end it accepts %v, %v; want %s", accepted, err, next.Fingerprint)
	}
	u.must("keys", "check", name, name+".pub")
}

func TestAReportKeyIsRotatedAndItsReaderKeepsBoth(t *testing.T) {
	t.Parallel()
	u, name := newUser(t, nil), filepath.Join(t.TempDir(), "report")
	u.makes("report", name, "--bits", "2048")
	next := u.makes("rotate", "report", name, "--queue-prefix", "rmq_lab")
	if key, err := envelope.ParsePublicKey([]byte(kubectl(t, next.Next)["studioml-report-keys/rmq_lab"])); err != nil || key.Fingerprint() != next.Fingerprint {
		t.Errorf("the cluster seals for %v, %v", key, err)
	}
	if done := u.makes("rotate", "report", name, "--finish"); done.Fingerprint != next.Fingerprint {
		t.Errorf("finished with %s", done.Fingerprint)
	}
}

func TestAnUnsoundNextKeyDoesNotReplaceTheCurrentOne(t *testing.T) {
	t.Parallel()
	u, name := newUser(t, nil), filepath.Join(t.TempDir(), "signing")
	u.makes("signing", name)
	before := contents(t, filepath.Dir(name))
	next := u.makes("rotate", "signing", name)
	if err := os.WriteFile(next.Files["next public"], []byte(before["signing.pub"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := u.run("keys", "rotate", "signing", name, "--finish"); code != 1 || !strings.Contains(errOut, "not halves of one key") {
		t.Errorf("finish = %d, %s", code, errOut)
	}
	if after := contents(t, filepath.Dir(name)); after["signing"] != before["signing"] || after["signing.pub"] != before["signing.pub"] {
		t.Error("the current key is changed")
	}
}

func TestFaultsOfKeysSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args string
		code int
		says string
	}{
		"too small":               {"request --bits 1024", 2, "give 2048 to 16384"},
		"a passphrase as a word":  {"request --passphrase hunter2", 2, "unknown flag: --passphrase"},
		"two passphrases":         {"request --passphrase-file x --ask-passphrase", 2, "not both"},
		"a passphrase of nothing": {"request --passphrase-file " + empty, 1, "is empty"},
		"no terminal to ask on":   {"report --ask-passphrase", 1, "give --passphrase-file"},
		"no folder":               {"signing " + dir + "/none/key", 1, "no such file or directory"},
		"a prefix of three":       {"signing --queue-prefix rmq", 2, "at least 4 characters"},
		"two names":               {"signing a b", 2, "see `studioctl keys signing --help`"},
		"nothing to rotate":       {"rotate request " + dir + "/none", 1, "make one with `studioctl keys request`"},
		"no such kind":            {"rotate pgp", 2, "give request, signing, report"},
		"no rotation":             {"rotate request " + dir + "/none --finish", 1, "no rotation to finish"},
		"no file":                 {"fingerprint " + dir + "/none", 1, "no such file"},
		"no key":                  {"fingerprint " + empty, 1, "there is no key in it"},
		"one file of a pair":      {"check " + empty, 2, "see `studioctl keys check --help`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := command(t, append([]string{"keys"}, strings.Fields(tc.args)...)...)
			if code != tc.code || !strings.Contains(errOut, tc.says) {
				t.Errorf("keys %s = %d, %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
			}
		})
	}
	if left := contents(t, dir); len(left) != 1 {
		t.Errorf("made are %v", left)
	}
}
