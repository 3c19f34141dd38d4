package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
)

// made is a pair that was made, and what is to be done with it.
type made struct {
	keyfile.Key
	Files map[string]string `json:"files"` // by what they are
	Next  []string          `json:"next"`  // commands

	what  string
	told  [][2]string // files and what they are for, in the order in which they are shown
	steps []step
}

// step is one thing to do next: a sentence, and the commands for it.
type step struct {
	sentence string
	commands []string
}

func newKeysRequest(a *app) *cobra.Command {
	var bits int
	var legacy bool
	var phrase passphraseFlags
	cmd := &cobra.Command{
		Use: "request [NAME]", Short: "Make a cluster's key, for which requests are sealed", Args: usageArgs(cobra.MaximumNArgs(1)),
		Long: `Request makes the RSA pair for which requests are sealed: NAME.pem for the
executors, encrypted with a passphrase, and NAME.pub.pem for experimenters. The
passphrase is made up and kept in NAME.passphrase, unless --passphrase-file or
--ask-passphrase says otherwise. NAME is a path; without it: ` + requestName + `.

The private file is OpenSSH's. --legacy writes PKCS#1 with DEK-Info instead, for
clusters where studio-go-runner, which reads nothing else, shares the key; its
encryption hardly slows down who guesses a passphrase, so leave that made up.`,
		Example: `  studioctl keys request
  studioctl keys request prod/studioml_request --passphrase-file secret_phrase
  studioctl keys request --bits 2048 --json | jq -r .fingerprint`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.makeRequest(cmd, nameOf(args, requestName), phrase, keyfile.RSAOptions{Bits: bits, Legacy: legacy})
		},
	}
	cmd.Flags().IntVar(&bits, "bits", 4096, "size of the key; docs/keys.md says what each size costs")
	cmd.Flags().BoolVar(&legacy, "legacy", false, "encrypt the private file as studio-go-runner reads it")
	phrase.register(cmd, "NAME.passphrase is made")
	return cmd
}

func (a *app) makeRequest(cmd *cobra.Command, name string, from passphraseFlags, o keyfile.RSAOptions) error {
	n := keyfile.RSANames(name)
	var files []keyfile.File
	phrase, err := from.given(cmd, a, "the new key")
	switch {
	case err != nil:
		return err
	case len(phrase) == 0:
		phrase = keyfile.NewPassphrase()
		files = append(files, keyfile.File{Path: n.Passphrase, Data: phrase, Mode: keyfile.Secret})
	default:
		n.Passphrase = from.file
	}
	o.Passphrase = phrase
	m, err := a.makeRSA(cmd.Context(), "the request key "+name, n, o, files)
	if err != nil {
		return err
	}
	m.note("private", n.Private, "for executors: REQUEST_KEYS")
	m.note("passphrase", n.Passphrase, "for executors: REQUEST_PASSPHRASE_FILE")
	m.note("public", n.Public, "for experimenters: public_key_path")
	secrets := []string{create(requestSecret, entry{"ssh-privatekey", n.Private}, entry{"ssh-publickey", n.Public})}
	if n.Passphrase != "" {
		secrets = append(secrets, create(passphraseSecret, entry{"ssh-passphrase", n.Passphrase}))
	}
	m.then("Next: give it to the executors, and "+n.Public+" to experimenters.", secrets...)
	return a.printMade(m)
}

func newKeysSigning(a *app) *cobra.Command {
	var prefix, comment string
	cmd := &cobra.Command{
		Use: "signing [NAME]", Short: "Make a key to sign requests with", Args: usageArgs(cobra.MaximumNArgs(1)),
		Long: `Signing makes the Ed25519 pair that signs requests: NAME for whoever submits, in
OpenSSH's format, and NAME.pub for the people who run the cluster, one line.
NAME is a path; without it: ` + signingName + `. It has no passphrase, since the
StudioML client cannot ask for one.`,
		Example: `  studioctl keys signing --queue-prefix rmq_vision
  studioctl keys signing ~/.studioml/signing --comment ada@example.com`,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.makeSigning(nameOf(args, signingName), prefix, comment)
		},
	}
	cmd.Flags().StringVar(&prefix, "queue-prefix", "", "beginning of the names of the queues that it is for, such as rmq_vision")
	cmd.Flags().StringVar(&comment, "comment", "", "comment of the public line (default: the key's name)")
	return cmd
}

func (a *app) makeSigning(name, prefix, comment string) error {
	comment = cmp.Or(comment, filepath.Base(name))
	if err := errors.Join(checkPrefix(prefix), checkComment(comment)); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	n := keyfile.SigningNames(name)
	files, key, err := keyfile.NewSigning(n, comment)
	if err == nil {
		err = keyfile.Create(files...)
	}
	if err != nil {
		return fmt.Errorf("make the signing key %s: %w", name, whereToo(err))
	}
	m := &made{Key: key, what: "the signing key " + name}
	m.note("private", n.Private, "for who submits: signing_key_path")
	m.note("public", n.Public, "for the cluster: SIGNING_KEYS, or signing_keys of TENANTS")
	m.then("Next: let the cluster accept it for your queues.", patch(signingSecret, cmp.Or(prefix, "QUEUE_PREFIX"), strings.TrimSuffix(string(files[1].Data), "\n")))
	return a.printMade(m)
}

func newKeysReport(a *app) *cobra.Command {
	var bits int
	var prefix string
	var phrase passphraseFlags
	cmd := &cobra.Command{
		Use: "report [NAME]", Short: "Make a key for which reports are sealed", Args: usageArgs(cobra.MaximumNArgs(1)),
		Long: `Report makes the RSA pair for which the cluster seals reports: NAME.pem for
whoever reads them, and NAME.pub.pem for the people who run the cluster. NAME is
a path; without it: ` + reportName + `. The private file has no passphrase unless
--passphrase-file or --ask-passphrase gives one.`,
		Example: `  studioctl keys report --queue-prefix rmq_vision_ada
  studioctl keys report --ask-passphrase`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.makeReport(cmd, nameOf(args, reportName), prefix, phrase, bits)
		},
	}
	cmd.Flags().IntVar(&bits, "bits", 4096, "size of the key; docs/keys.md says what each size costs")
	cmd.Flags().StringVar(&prefix, "queue-prefix", "", "beginning of the names of the queues that it is for, such as rmq_vision")
	phrase.register(cmd, "none")
	return cmd
}

func (a *app) makeReport(cmd *cobra.Command, name, prefix string, from passphraseFlags, bits int) error {
	if err := checkPrefix(prefix); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	phrase, err := from.given(cmd, a, "the new key")
	if err != nil {
		return err
	}
	n := keyfile.RSANames(name)
	m, err := a.makeRSA(cmd.Context(), "the report key "+name, n, keyfile.RSAOptions{Bits: bits, Passphrase: phrase}, nil)
	if err != nil {
		return err
	}
	m.note("private", n.Private, "for who reads reports: studioctl reports --key")
	m.note("public", n.Public, "for the cluster: REPORT_KEYS, or report_key of TENANTS")
	m.then("Next: let the cluster seal the reports of your queues for it, and make the response queue.",
		patch(reportSecret, cmp.Or(prefix, "QUEUE_PREFIX"), pemOf(m.Key)), "studioctl reports --queue QUEUE --key "+quoted(n.Private)+" --create --follow")
	return a.printMade(m)
}

// makeRSA makes the pair and the files beside it, or nothing.
func (a *app) makeRSA(ctx context.Context, what string, n keyfile.Names, o keyfile.RSAOptions, beside []keyfile.File) (*made, error) {
	if o.Bits < 2048 || o.Bits > 16384 {
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("--bits is %d: give 2048 to 16384", o.Bits)}
	}
	making := a.progress(fmt.Sprintf("making a key of %d bits", o.Bits))
	files, key, err := keyfile.NewRSA(n, o)
	making.end()
	if err == nil {
		err = ctx.Err() // nothing is made once somebody has pressed Ctrl-C
	}
	if err == nil {
		err = keyfile.Create(append(files, beside...)...)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", what, whereToo(err))
	}
	return &made{Key: key, what: what}, nil
}

// nameOf is the name that the user gives, with or without the end of the private file.
func nameOf(args []string, otherwise string) string {
	if len(args) == 0 {
		return otherwise
	}
	return strings.TrimSuffix(filepath.Clean(args[0]), ".pem")
}

// whereToo ends an error with what to do about it.
func whereToo(err error) error {
	if errors.Is(err, keyfile.ErrExists) {
		return fmt.Errorf("%w: give another NAME, or replace the key with `studioctl keys rotate`", err)
	}
	return err
}

// shortestPrefix is the wire format's.
const shortestPrefix = 4

func checkPrefix(prefix string) error {
	if prefix == "" || len(prefix) >= shortestPrefix && !strings.ContainsAny(prefix, " \t\r\n/") {
		return nil
	}
	return fmt.Errorf("--queue-prefix is %q: give the beginning of a queue's name, at least %d characters, such as rmq_vision", prefix, shortestPrefix)
}

func checkComment(comment string) error {
	if strings.ContainsAny(comment, "\r\n") {
		return errors.New("--comment has more than one line")
	}
	return nil
}
