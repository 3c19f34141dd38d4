package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
)

// The Kubernetes secrets of the wire format.
const (
	requestSecret    = "studioml-runner-key-secret"
	passphraseSecret = "studioml-runner-passphrase-secret"
	signingSecret    = "studioml-signing"
	reportSecret     = "studioml-report-keys"
)

// note adds a file. One that was not made, and has no name, is left out.
func (m *made) note(what, path, purpose string) {
	if path == "" {
		return
	}
	if m.Files == nil {
		m.Files = map[string]string{}
	}
	m.Files[what] = path
	m.told = append(m.told, [2]string{path, what + ", " + purpose})
}

func (m *made) then(sentence string, commands ...string) {
	m.steps = append(m.steps, step{sentence, commands})
	m.Next = append(m.Next, commands...)
}

func (a *app) printMade(m *made) error {
	if a.json {
		return a.printJSON(m)
	}
	on := a.screenOf(a.out)
	a.say("Made %s:\n%s", m.what, m.Line())
	t := a.table("", "")
	for _, file := range m.told {
		t.row(cell{file[0], bold}, plain(file[1]))
	}
	if err := t.print(); err != nil {
		return err
	}
	a.printSteps(on, m.steps)
	return nil
}

// printSteps writes commands as they can be copied, in full.
func (a *app) printSteps(on screen, steps []step) {
	for _, s := range steps {
		fmt.Fprintf(a.out, "\n%s\n", wrap(s.sentence, on.width))
		for _, command := range s.commands {
			fmt.Fprintf(a.out, "  %s\n", command)
		}
	}
}

// entry is one of a secret's, and the file that it is made of.
type entry struct{ name, file string }

// create is the command that makes a secret of files.
func create(name string, entries ...entry) string {
	text := "kubectl create secret generic " + name
	for _, e := range entries {
		text += " --from-file=" + e.name + "=" + quoted(e.file)
	}
	return text
}

// replace is the command that makes an existing secret hold these files and nothing else.
func replace(name string, entries ...entry) string {
	return create(name, entries...) + " --dry-run=client -o yaml | kubectl replace -f -"
}

// patch is the command that sets one entry of a secret, of public keys, and leaves the others.
func patch(name, entry, text string) string {
	data, _ := json.Marshal(map[string]map[string]string{"stringData": {entry: text}}) // of strings alone
	return fmt.Sprintf("kubectl patch secret %s --patch %s", name, quoted(string(data)))
}

// pemOf is the public key as its file has it.
func pemOf(k keyfile.Key) string { return strings.TrimSuffix(string(k.Seals().MarshalPEM()), "\n") }

// quoted is a word for a POSIX shell.
func quoted(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-~"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
