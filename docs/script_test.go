//go:build integration

package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// reader is who follows a guide: a home, a folder to work in that looks like the checkout, and programs on PATH.
type reader struct {
	home, work string
	bin        string
	stands     string // folder of stand-ins for what needs Google
	environ    []string
}

// limit bounds one guide.
const limit = 4 * time.Minute

// follow types the commands of a guide one after the other into one shell. The error names the block that failed.
func (r reader) follow(ctx context.Context, blocks []block) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", r.script(blocks))
	shell.Dir = r.work
	shell.Env = append([]string{
		"HOME=" + r.home, "PATH=" + r.bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=dumb", "NO_COLOR=1",
	}, r.environ...)
	shell.WaitDelay = 5 * time.Second
	output, err := shell.CombinedOutput()
	if err == nil && !strings.HasSuffix(string(output), theEnd+"\n") {
		err = errors.New("the shell ended before the guide did")
	}
	if err != nil {
		return fmt.Errorf("%w; the last block of these failed:\n%s", errors.Join(err, context.Cause(ctx)), output)
	}
	return nil
}

const theEnd = "== end of the guide"

func (r reader) script(blocks []block) string {
	var s strings.Builder
	s.WriteString("set -euo pipefail\nexec </dev/null 2>&1\n")
	for _, b := range blocks {
		fmt.Fprintf(&s, "echo '== %s'\n", b.where())
		switch {
		case b.has("file"):
			s.WriteString(b.writes())
		case b.has("covered-by"):
		case b.has("needs-google"):
			fmt.Fprintf(&s, "(\nPATH=%s:$PATH\n%s\n)\n", r.stands, strings.Join(b.commands(), "\n"))
		case b.has("until-interrupted"):
			for _, command := range b.commands() {
				fmt.Fprintf(&s, "code=0; timeout -k 10 -s INT 4 %s || code=$?; [ $code -eq 124 ]\n", strings.TrimSpace(command))
			}
		default:
			s.WriteString(strings.Join(b.commands(), "\n") + "\n")
		}
	}
	return s.String() + "echo '" + theEnd + "'\n"
}

// writes saves the block as the file that its mark names.
func (b block) writes() string {
	name := strings.Replace(b.marks["file"], "~/", "$HOME/", 1)
	return fmt.Sprintf("mkdir -p \"$(dirname \"%[1]s\")\"\ncat >\"%[1]s\" <<'end of the block'\n%[2]send of the block\n", name, b.text())
}

// standIn makes programs that take the place of those that need Google. Google's own do nothing. studioctl checks the
// command and its flags, and does nothing either.
func standIn(dir, bin string) error {
	program := func(name, text string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+text+"\n"), 0o755)
	}
	errs := program("studioctl", fmt.Sprintf(`args=(); for a in "$@"; do [ "$a" = -- ] && break; args+=("$a"); done
help=$(%[1]s/studioctl "${args[@]}" --help) && [ "$help" != "$(%[1]s/studioctl --help)" ] || { echo "studioctl $* is wrong"; exit 1; }`, bin))
	for _, name := range []string{"gcloud", "kubectl", "studio"} {
		errs = errors.Join(errs, program(name, "exit 0"))
	}
	// Guides run the command that Terraform's output is.
	return errors.Join(errs, program("terraform", `case " $* " in *" output -raw "*) echo true ;; esac`))
}
