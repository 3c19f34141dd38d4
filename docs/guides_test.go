//go:build integration

// Package docs_test follows the guides as a reader would: it types every command that they show, in order, into a shell with an
// empty home, against a local cloud. A wrong flag, a missing file or a program that fails fails the guide.
//
// Blocks of the languages sh and console are commands; in console those lines that follow a prompt. Words after the language
// say what else is to be done with a block:
//
//	file=NAME          the block is written to that file
//	covered-by=NAME    takes long, and a test or a make target of that name runs it; it is checked that there is one
//	needs-google       is run with stand-ins for what needs Google; studioctl's own flags are checked
//	until-interrupted  goes on until Ctrl-C; it is started, must still run after some seconds, and is interrupted
//
// Commands inside a paragraph or a table are checked for their names and flags.
package docs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestEveryCommandOfTheGuidesWorks(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	startCloud(t, root, home)
	for name, text := range guides(t, root) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			if err := check(t, root, home, name, text); err != nil {
				t.Error(err)
			}
			t.Logf("followed in %s", time.Since(began).Round(time.Millisecond))
		})
	}
}

// check returns everything that is wrong with a guide that can be seen without following it; if nothing is, it follows it.
func check(t *testing.T, root, home, name, text string) error {
	t.Helper()
	blocks, err := parse(name, text)
	if err != nil {
		return err
	}
	faults := mentioned(t.Context(), root, name, text)
	for _, b := range blocks {
		faults = errors.Join(faults, b.fault(), covered(t.Context(), root, b))
	}
	if faults != nil {
		return faults
	}
	return newReader(t, root, home).follow(t.Context(), blocks)
}

// newReader works in a folder of its own whose entries are links to the checkout's, so that what a guide makes stays apart.
func newReader(t *testing.T, root, home string) reader {
	t.Helper()
	r := reader{home: home, work: t.TempDir(), bin: filepath.Join(root, "bin"), stands: t.TempDir()}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(root, e.Name()), filepath.Join(r.work, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := standIn(r.stands, r.bin); err != nil {
		t.Fatal(err)
	}
	return r
}

// startCloud keeps a local cloud running, by the command that the guides name for it, until the test ends.
func startCloud(t *testing.T, root, home string) {
	t.Helper()
	cloud := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(root, "bin", "studioctl"), "local", "--json")
	cloud.Env = append(os.Environ(), "HOME="+home, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
	cloud.Stderr = t.Output()
	out, err := cloud.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.Start(); err != nil {
		t.Fatalf("start the local cloud (`make build` builds it): %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cloud.Process.Signal(syscall.SIGINT), cloud.Wait()); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) || !json.Valid(line) {
		t.Fatalf("the local cloud said %q, %v", line, err)
	}
}
