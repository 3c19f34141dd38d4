package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"
)

// thenBoth says how the two keys come to be accepted, and what then.
func (r rotation) thenBoth(m *made) error {
	finish := fmt.Sprintf("studioctl keys rotate %s %s --finish", r.kind, quoted(r.name))
	prefix := cmp.Or(r.flags.prefix, "QUEUE_PREFIX")
	text, err := r.accepted()
	if err != nil {
		return err
	}
	switch r.kind {
	case "request":
		commands := []string{replace(requestSecret, entry{"ssh-privatekey", r.current.Private}, entry{"ssh-publickey", r.current.Public}, entry{"ssh-privatekey-next", r.next.Private})}
		if r.flags.newPassphrase {
			commands = append(commands, replace(passphraseSecret, entry{"ssh-passphrase", r.current.Passphrase}, entry{"ssh-passphrase-next", r.next.Passphrase}))
		}
		m.then("First: let the executors open with both. They read their keys again within 10 s; studioctl keys accepted shows it.", commands...)
		m.then(fmt.Sprintf("Then: give experimenters %s. Not before, or their requests are refused.", r.next.Public))
		m.then(fmt.Sprintf("At last, %s after the last experimenter has changed, when nothing can wait any more that is sealed for the old one:",
			roughDays(r.flags.overlap)), finish)
	case "signing":
		m.then("First: let the cluster accept both.", patch(signingSecret, prefix, text))
		m.then("Then: once it does, sign with the new one, under the old name. Not before, or your requests are refused.", finish)
	default:
		m.then("First: read with both keys. Then let the cluster seal for the new one.", patch(reportSecret, prefix, text))
		m.then("At last, when every report that was sealed for the old one has been read:", finish)
	}
	return nil
}

// thenOne says how the cluster forgets the old key.
func (r rotation) thenOne(m *made) {
	switch r.kind {
	case "request":
		commands := []string{replace(requestSecret, entry{"ssh-privatekey", r.current.Private}, entry{"ssh-publickey", r.current.Public})}
		if r.flags.newPassphrase {
			commands = append(commands, replace(passphraseSecret, entry{"ssh-passphrase", r.current.Passphrase}))
		}
		m.then("Next: leave the old one out of the executors' keys, too.", commands...)
	case "signing":
		text, err := r.accepted()
		if err != nil {
			return // the file was read a moment ago; without it there is no command to show
		}
		m.then(fmt.Sprintf("Next: what was signed with the old key may still wait, until %s at the latest. Let the cluster accept the new one alone after that.",
			time.Now().Add(r.flags.overlap).Local().Format(time.DateOnly)), patch(signingSecret, cmp.Or(r.flags.prefix, "QUEUE_PREFIX"), text))
	default:
		m.then("Next: read reports with it as before.", "studioctl reports --queue QUEUE --key "+quoted(r.current.Private))
	}
}

// accepted is what the cluster's secret is to hold for the queues: of signing keys all lines, of report keys the newest.
func (r rotation) accepted() (string, error) {
	var texts []string
	for _, file := range []string{r.current.Public, r.next.Public} {
		text, err := os.ReadFile(file) //nolint:gosec // the user names the key
		if err != nil && (file == r.current.Public || !os.IsNotExist(err)) {
			return "", err
		}
		if len(text) > 0 {
			texts = append(texts, strings.TrimSpace(string(text)))
		}
	}
	if r.kind != "signing" {
		return texts[len(texts)-1], nil
	}
	return strings.Join(texts, "\n"), nil
}

// roughDays is a length of time as people say it.
func roughDays(d time.Duration) string {
	if days := int(d.Hours() / 24); days > 1 {
		return fmt.Sprintf("%d days", days)
	}
	return d.String()
}
