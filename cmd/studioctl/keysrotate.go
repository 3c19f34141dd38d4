package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
)

// longestWait is how long a request may wait: Pub/Sub keeps what is not acknowledged for 31 days at most.
// https://cloud.google.com/pubsub/docs/subscription-properties
const longestWait = 31 * 24 * time.Hour

// rotateFlags are those of keys rotate.
type rotateFlags struct {
	finish, now, newPassphrase bool
	overlap                    time.Duration
	bits                       int
	phrase, prefix             string
}

// rotation is one pair on its way to the next.
type rotation struct {
	kind, name    string
	current, next keyfile.Names
	flags         rotateFlags
}

func newKeysRotate(a *app) *cobra.Command {
	var f rotateFlags
	kinds := []string{"request", "signing", "report"}
	cmd := &cobra.Command{
		Use: "rotate request|signing|report [NAME] [--finish]", Short: "Replace a key by a new one, while both are accepted",
		Long: `Rotate replaces a key in two calls, between which both keys work, so that no
message is lost that is on its way. The first makes the new pair beside the
current one (NAME.next.pem and so on) and changes nothing else; the second, with
--finish, puts it in the place of the old one, whose private file is gone then.
Each says what is to be done in the cluster, and in which order.

A request key is needed as long as something sealed for it may wait: --finish
refuses until --overlap has passed since the new key was made, unless --now says
that nothing waits any more.

The new key is like the old one: its size, its format, and its passphrase unless
--new-passphrase has one made up.`,
		Example: `  studioctl keys rotate request
  studioctl keys rotate request --finish
  studioctl keys rotate signing ~/.studioml/signing --queue-prefix rmq_vision`,
		Args: usageArgs(cobra.MatchAll(cobra.RangeArgs(1, 2), func(_ *cobra.Command, args []string) error {
			if _, ok := defaultNames[args[0]]; !ok {
				return fmt.Errorf("%q is no kind of key: give %s", args[0], strings.Join(kinds, ", "))
			}
			return nil
		})),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return kinds, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.rotate(cmd, f, args[0], args[1:]) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.finish, "finish", false, "put the new pair in the place of the old one")
	flags.BoolVar(&f.now, "now", false, "with --finish: do not wait for the overlap to end")
	flags.DurationVar(&f.overlap, "overlap", longestWait, "how long a request may wait that is sealed for the old key")
	flags.IntVar(&f.bits, "bits", 0, "size of the new RSA key (default: that of the old one)")
	flags.BoolVar(&f.newPassphrase, "new-passphrase", false, "make up a passphrase for the new key")
	flags.StringVar(&f.phrase, "passphrase-file", "", "file of the passphrase (default: the one beside the key, or a prompt)")
	flags.StringVar(&f.prefix, "queue-prefix", "", "of a signing or report key: beginning of the queues' names")
	return cmd
}

var defaultNames = map[string]string{"request": requestName, "signing": signingName, "report": reportName}

func (a *app) rotate(cmd *cobra.Command, f rotateFlags, kind string, args []string) error {
	if err := checkPrefix(f.prefix); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	r := rotation{kind: kind, name: nameOf(args, defaultNames[kind]), flags: f}
	r.current = keyfile.RSANames(r.name)
	if kind == "signing" {
		r.current = keyfile.SigningNames(r.name)
	}
	r.next = r.current.Next(r.name)
	var m *made
	var err error
	if f.finish {
		m, err = a.finishRotation(cmd, r)
	} else {
		m, err = a.beginRotation(cmd, r)
	}
	if err != nil {
		return fmt.Errorf("rotate the %s key %s: %w", kind, r.name, err)
	}
	return a.printMade(m)
}

// beginRotation makes the next pair. What is there is only read.
func (a *app) beginRotation(cmd *cobra.Command, r rotation) (*made, error) {
	phrase := a.passphraseOf(cmd, r.current.Private, r.flags.phrase)
	var used []byte
	data, err := os.ReadFile(r.current.Private)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: name the key that is to be replaced, without .pem, or make one with `studioctl keys %s`", err, r.kind)
	}
	if err != nil {
		return nil, err
	}
	keys, err := keyfile.Parse(data, func() (_ []byte, err error) {
		used, err = phrase()
		return used, err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.current.Private, err)
	}
	old := keys[0]
	m, err := a.makeNext(cmd, r, old, used)
	if err != nil {
		return nil, err
	}
	m.what = fmt.Sprintf("the next %s key. The current one, %s, stays accepted until the rotation is finished", r.kind, old.Fingerprint)
	m.note("next private", r.next.Private, "beside "+r.current.Private)
	m.note("next public", r.next.Public, "beside "+r.current.Public)
	if r.flags.newPassphrase {
		m.note("next passphrase", r.next.Passphrase, "beside "+r.current.Passphrase)
	}
	return m, r.thenBoth(m)
}

func (a *app) makeNext(cmd *cobra.Command, r rotation, old keyfile.Key, phrase []byte) (*made, error) {
	if r.kind == "signing" {
		if old.Type != keyfile.Ed25519 || !old.Private {
			return nil, fmt.Errorf("%s holds no private key of the type %s, but one of %s", r.current.Private, keyfile.Ed25519, old.Type)
		}
		files, key, err := keyfile.NewSigning(r.next, filepath.Base(r.name))
		if err == nil {
			err = keyfile.Create(files...)
		}
		return &made{Key: key}, begun(err)
	}
	if old.Opens() == nil {
		return nil, fmt.Errorf("%s holds no private key of the type %s", r.current.Private, keyfile.RSA)
	}
	var beside []keyfile.File
	if r.flags.newPassphrase {
		phrase = keyfile.NewPassphrase()
		beside = append(beside, keyfile.File{Path: r.next.Passphrase, Data: phrase, Mode: keyfile.Secret})
	}
	o := keyfile.RSAOptions{Bits: cmp.Or(r.flags.bits, old.Bits), Passphrase: phrase, Legacy: old.Encrypted && old.Format == "RSA PRIVATE KEY"}
	m, err := a.makeRSA(cmd.Context(), "the next key", r.next, o, beside)
	return m, begun(err)
}

// begun says of a pair that is there what it is.
func begun(err error) error {
	if errors.Is(err, keyfile.ErrExists) {
		return fmt.Errorf("a rotation has begun already: finish it with --finish (%w)", err)
	}
	return err
}

// finishRotation puts the next pair in place, once it is sound and the old one is not needed any more.
func (a *app) finishRotation(cmd *cobra.Command, r rotation) (*made, error) {
	info, err := os.Stat(r.next.Private)
	switch {
	case errors.Is(err, fs.ErrNotExist): // none was begun, or finishing was interrupted at its end
	case err != nil:
		return nil, err
	default:
		if err := r.due(info.ModTime()); err != nil {
			return nil, err
		}
		if err := a.soundNext(cmd, r); err != nil {
			return nil, err
		}
	}
	if r.next.Passphrase != "" {
		_, err := os.Lstat(r.next.Passphrase)
		r.flags.newPassphrase = err == nil
	}
	if err := keyfile.Finish(r.current, r.next); err != nil {
		return nil, err
	}
	key, err := a.readKey(cmd, r.current.Public, "")
	if err != nil {
		return nil, err
	}
	m := &made{Key: key, what: "the change: " + r.current.Private + " holds the new key alone"}
	m.note("private", r.current.Private, "now the new one")
	m.note("public", r.current.Public, "now the new one")
	r.thenOne(m)
	return m, nil
}

// due refuses to take the old request key away while something may wait that only it opens.
func (r rotation) due(began time.Time) error {
	until := began.Add(r.flags.overlap)
	if r.kind != "request" || r.flags.now || time.Now().After(until) {
		return nil
	}
	return fmt.Errorf("the new key was made %s, and a request that is sealed for the old one may wait until %s: finish then, or give --now if none waits any more",
		humanTime(began), until.Local().Format(time.DateTime))
}

// soundNext checks the next pair before the old one is gone. A public half that has been moved already is the current one.
func (a *app) soundNext(cmd *cobra.Command, r rotation) error {
	private, err := a.readKey(cmd, r.next.Private, r.flags.phrase)
	if err != nil {
		return err
	}
	file := r.next.Public
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		file = r.current.Public
	}
	public, err := a.readKey(cmd, file, "")
	if err != nil {
		return err
	}
	return keyfile.Pair(private, public)
}
