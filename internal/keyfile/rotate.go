package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Next are the names of the pair that is to replace this one, beside it.
func (n Names) Next(name string) Names {
	replace := func(path string) string {
		rest, had := strings.CutPrefix(path, name)
		if !had {
			return path
		}
		return name + ".next" + rest
	}
	return Names{Private: replace(n.Private), Public: replace(n.Public), Passphrase: replace(n.Passphrase)}
}

// Finish puts the next pair in the place of the current one, whose private key is gone then. The public half goes first and the
// private one last: whatever interrupts it, no public key is in use whose private half is not in one of the files, and doing it
// again completes it.
func Finish(current, next Names) error {
	moved := false
	for _, move := range [][2]string{{next.Public, current.Public}, {next.Passphrase, current.Passphrase}, {next.Private, current.Private}} {
		if move[0] == "" {
			continue
		}
		err := os.Rename(move[0], move[1])
		if errors.Is(err, fs.ErrNotExist) {
			continue // there is none, or it was moved by a call that was interrupted
		}
		if err != nil {
			return fmt.Errorf("replace %s: %w", move[1], err)
		}
		moved = true
	}
	if !moved {
		return fmt.Errorf("there is no rotation to finish: %s is not there", next.Private)
	}
	return nil
}
