package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
)

func newKeysFingerprint(a *app) *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: "fingerprint FILE...", Aliases: []string{"show"}, Short: "Print the fingerprint of keys, private or public, in any format",
		Long: `Fingerprint prints of each key what "ssh-keygen -l" prints: its bits, its
SHA-256 fingerprint, its comment and its type. The fingerprint of a private file
is that of its public half. It reads every format that clients and executors
read: PEM (PKCS#1, PKCS#8, PKIX), OpenSSH, and lines ssh-rsa and ssh-ed25519;
- is standard input.`,
		Example: `  studioctl keys fingerprint studioml_signing.pub
  studioctl keys fingerprint *.pem --json | jq -r .fingerprint`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			for _, file := range files {
				if err := a.printFingerprints(cmd, file, phrase, len(files) > 1); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&phrase, "passphrase-file", "", "file of the passphrase of an encrypted private file (default: the one beside it, or a prompt)")
	return cmd
}

func (a *app) printFingerprints(cmd *cobra.Command, file, phrase string, named bool) error {
	keys, err := a.readKeys(cmd, file, phrase)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if a.json {
			if err := a.printJSON(fileKey{file, key}); err != nil {
				return err
			}
			continue
		}
		line := key.Line()
		if named {
			line = file + ": " + line
		}
		fmt.Fprintln(a.out, line)
	}
	return nil
}

// fileKey is a key and where it stands.
type fileKey struct {
	File string `json:"file"`
	keyfile.Key
}

func newKeysCheck(a *app) *cobra.Command {
	var phrase string
	cmd := &cobra.Command{
		Use: "check PRIVATE PUBLIC", Aliases: []string{"verify"}, Short: "Check that two files are halves of one key, by using them",
		Long: `Check seals something with the public key and opens it with the private one, or
signs with the private key and verifies with the public one, and says what is
wrong. Exit code 0: they are a pair; 1: they are not.`,
		Example: `  studioctl keys check studioml_request.pem studioml_request.pub.pem
  studioctl keys check studioml_signing studioml_signing.pub`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			private, err := a.readKey(cmd, args[0], phrase)
			if err != nil {
				return err
			}
			public, err := a.readKey(cmd, args[1], phrase)
			if err != nil {
				return err
			}
			if err := keyfile.Pair(private, public); err != nil {
				return fmt.Errorf("check %s and %s: %w", args[0], args[1], err)
			}
			a.warnOfMode(args[0])
			if a.json {
				return a.printJSON(fileKey{args[0], private})
			}
			a.say("%s and %s are a pair: %s", args[0], args[1], public.Line())
			return nil
		},
	}
	cmd.Flags().StringVar(&phrase, "passphrase-file", "", "file of the passphrase (default: the one beside PRIVATE, or a prompt)")
	return cmd
}

// warnOfMode tells of a private file that others can read.
func (a *app) warnOfMode(file string) {
	info, err := os.Stat(file)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		a.tell("Others can read %s: chmod 600 %s", file, quoted(file))
	}
}

// readKeys reads the keys of a file.
func (a *app) readKeys(cmd *cobra.Command, file, phrase string) ([]keyfile.Key, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(cmd.InOrStdin())
	} else {
		data, err = os.ReadFile(filepath.Clean(file))
	}
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	keys, err := keyfile.Parse(data, a.passphraseOf(cmd, file, phrase))
	if err != nil {
		return nil, fmt.Errorf("read the key %s: %w", file, err)
	}
	return keys, nil
}

// readKey reads the only key of a file.
func (a *app) readKey(cmd *cobra.Command, file, phrase string) (keyfile.Key, error) {
	keys, err := a.readKeys(cmd, file, phrase)
	if err != nil {
		return keyfile.Key{}, err
	}
	if len(keys) > 1 {
		return keyfile.Key{}, &exitError{code: exitUsage, err: fmt.Errorf("%s holds %d keys: give a file of one", file, len(keys))}
	}
	return keys[0], nil
}
