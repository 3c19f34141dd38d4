package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// passphraseFlags say where the passphrase of a new key comes from. There is no flag for the passphrase itself: arguments are
// seen by others and stay in the shell's history.
type passphraseFlags struct {
	file string
	ask  bool
}

func (p *passphraseFlags) register(cmd *cobra.Command, otherwise string) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "file of the passphrase (default: "+otherwise+")")
	cmd.Flags().BoolVar(&p.ask, "ask-passphrase", false, "ask for the passphrase on the terminal")
}

// given is the passphrase of a new key; none if no flag names one.
func (p *passphraseFlags) given(cmd *cobra.Command, a *app, of string) ([]byte, error) {
	switch {
	case p.file != "" && p.ask:
		return nil, &exitError{code: exitUsage, err: errors.New("give --passphrase-file or --ask-passphrase, not both")}
	case p.file != "":
		return readPassphrase(p.file)
	case !p.ask:
		return nil, nil
	}
	first, err := a.ask(cmd, "Passphrase of "+of+": ")
	if err != nil {
		return nil, err
	}
	again, err := a.ask(cmd, "The same once more: ")
	switch {
	case err != nil:
		return nil, err
	case !bytes.Equal(first, again):
		return nil, errors.New("the two passphrases differ: try again")
	case len(first) == 0:
		return nil, errors.New("the passphrase is empty: try again, or leave out --ask-passphrase")
	}
	return first, nil
}

// readPassphrase reads the file byte for byte, but for one line end after it, as executors do.
func readPassphrase(file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the user's own flag
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	if text = bytes.TrimSuffix(text, []byte("\n")); len(text) == 0 {
		return nil, fmt.Errorf("read the passphrase: %s is empty", file)
	}
	return text, nil
}

// passphraseOf finds the passphrase of a private file once it is needed: in the file that a flag names, in one beside it, as
// `studioctl keys request` leaves it there, or from the person at the terminal.
func (a *app) passphraseOf(cmd *cobra.Command, private, flag string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if flag != "" {
			return readPassphrase(flag)
		}
		name := strings.TrimSuffix(private, ".pem")
		for _, beside := range []string{name + ".passphrase", strings.TrimSuffix(name, ".next") + ".passphrase"} {
			if text, err := readPassphrase(beside); !errors.Is(err, fs.ErrNotExist) {
				return text, err
			}
		}
		return a.ask(cmd, "Passphrase of "+private+": ")
	}
}

// ask reads a line from the terminal without showing it. Ctrl-C gives the terminal back as it was.
func (a *app) ask(cmd *cobra.Command, prompt string) ([]byte, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, fmt.Errorf("%w: there is no terminal to ask for it: give --passphrase-file", envelope.ErrPassphrase)
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask for the passphrase: %w", err)
	}
	fmt.Fprint(a.errOut, prompt)
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(in.Fd()))
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		fmt.Fprintln(a.errOut)
		if got.err != nil {
			return nil, fmt.Errorf("ask for the passphrase: %w", got.err)
		}
		return got.text, nil
	case <-cmd.Context().Done(): // the read goes on until the process ends, which is now
		fmt.Fprintln(a.errOut)
		return nil, errors.Join(context.Cause(cmd.Context()), term.Restore(int(in.Fd()), before))
	}
}
