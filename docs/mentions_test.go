//go:build integration

package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	inline   = regexp.MustCompile("`((?:bin/)?studioctl|make) ([^`]+)`")
	testName = regexp.MustCompile(`^Test[A-Za-z0-9_]+$`)
	fenced   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	running  = regexp.MustCompile(`-run '?\^?(Test[A-Za-z0-9_]+)`)
)

// mentioned checks the commands between backticks: that studioctl has them with those flags, and make has the target.
func mentioned(ctx context.Context, root, file, text string) (faults error) {
	seen := map[string]bool{}
	for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		if seen[m[0]] {
			continue
		}
		seen[m[0]] = true
		var err error
		if m[1] == "make" {
			err = makes(ctx, root, strings.Fields(m[2])...)
		} else {
			err = understands(ctx, root, m[2])
		}
		if err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %s: %w", file, m[0], err))
		}
	}
	return faults
}

// understands tells whether studioctl knows a command and its flags; it asks for help, so that nothing happens. For a command
// that it does not know, studioctl helps with itself.
func understands(ctx context.Context, root, arguments string) error {
	arguments, _, _ = strings.Cut(arguments+" ", " -- ")
	studioctl := filepath.Join(root, "bin", "studioctl")
	help, err := try(exec.CommandContext(ctx, studioctl, append(strings.Fields(arguments), "--help")...))
	general, generalErr := try(exec.CommandContext(ctx, studioctl, "--help"))
	if help == general {
		err = errors.Join(err, errors.New("studioctl has no such command"))
	}
	return errors.Join(err, generalErr)
}

// makes tells whether make knows the targets; it runs nothing.
func makes(ctx context.Context, root string, targets ...string) error {
	_, err := try(exec.CommandContext(ctx, "make", append([]string{"-n", "-C", root}, targets...)...))
	return err
}

func try(c *exec.Cmd) (string, error) {
	output, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, output)
	}
	return string(output), err
}

// covered checks that what a block is covered by exists, and of its commands what can be checked without running them.
func covered(ctx context.Context, root string, b block) (faults error) {
	if !b.has("covered-by") {
		return nil
	}
	by := b.marks["covered-by"]
	err := error(nil)
	if testName.MatchString(by) {
		err = testIn(root, by)
	} else {
		err = makes(ctx, root, by)
	}
	faults = errors.Join(faults, err)
	for line := range strings.Lines(strings.ReplaceAll(strings.Join(b.commands(), "\n"), "&&", "\n")) {
		line, _, _ = strings.Cut(line, " #")
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "make":
			err = makes(ctx, root, words[1:]...)
		case running.MatchString(line):
			err = testIn(filepath.Join(root, words[len(words)-1]), running.FindStringSubmatch(line)[1])
		default:
			err = nil
		}
		faults = errors.Join(faults, err)
	}
	if faults != nil {
		return fmt.Errorf("%s: %w", b.where(), faults)
	}
	return nil
}

// testIn looks for a Go test in a folder and those below it.
func testIn(dir, name string) error {
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), "\nfunc "+name+"(") {
			return found
		}
		return err
	})
	if errors.Is(err, found) {
		return nil
	}
	return errors.Join(err, fmt.Errorf("there is no test %s in %s", name, dir))
}
