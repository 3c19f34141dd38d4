package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"
	"golang.org/x/sys/unix"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// at runs a command of somebody who sits at a terminal.
func at(ctx context.Context, it *terminal, args ...string) error {
	root := newRoot(&app{env: envconfig.MapLookuper(nil), out: io.Discard, errOut: it}) //nolint:contextcheck // cobra hands the context to each command
	root.SetIn(it.File)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// echoes waits until the terminal shows what is typed, or does not.
func (it *terminal) echoes(want bool) {
	it.t.Helper()
	for timeout := time.After(time.Minute); ; {
		state, err := unix.IoctlGetTermios(int(it.Fd()), unix.TCGETS)
		if err != nil {
			it.t.Fatal(err)
		}
		if want == (state.Lflag&unix.ECHO != 0) {
			return
		}
		select {
		case <-timeout:
			it.t.Fatalf("the terminal's echo is not %v", want)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestAPassphraseIsAskedForWithoutBeingShown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ typed, says string }{
		"twice the same": {"Pass Phrase\nPass Phrase\n", ""},
		"a slip":         {"Pass Phrase\nPass Phrasw\n", "the two passphrases differ"},
		"nothing":        {"\n\n", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it, path := newTerminal(t, 80), filepath.Join(t.TempDir(), "key")
			done := make(chan error, 1)
			go func() { done <- at(t.Context(), it, "keys", "report", path, "--bits", "2048", "--ask-passphrase") }()
			it.echoes(false)
			if _, err := io.WriteString(it.keyboard, tc.typed); err != nil { // what is typed ahead is shown when it is typed
				t.Fatal(err)
			}
			err := <-done
			it.echoes(true)
			if shown := it.read(); strings.Contains(shown, "Phras") && strings.Contains(shown, "Pass ") || strings.Count(shown, ": \n") != 2 {
				t.Errorf("shown is %q", shown)
			}
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v; want %q", err, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := envelope.ParsePrivateKey([]byte(read(t, path+".pem")), []byte("Pass Phrase")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCtrlCAtThePromptGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	it, dir := newTerminal(t, 80), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- at(ctx, it, "keys", "report", filepath.Join(dir, "key"), "--ask-passphrase") }()
	it.echoes(false)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the command ended with %v", err)
	}
	it.echoes(true)
	if _, err := io.WriteString(it.keyboard, "\n"); err != nil { // lets the read end
		t.Fatal(err)
	}
	if made := contents(t, dir); len(made) > 0 {
		t.Errorf("made are %v", made)
	}
}
