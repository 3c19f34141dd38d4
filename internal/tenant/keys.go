package tenant

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// dummy is the entry that the deployment guide makes a secret with, before there is any key.
const dummy = "info"

// keyFile is a file of a folder of keys. Its name is the prefix of the queues that it is for.
type keyFile[K any] struct {
	prefix string
	path   string
	key    K
	fault  error
}

// readKeys reads a folder. Files at fault are among those that it returns, and told by their names in its error.
func readKeys[K any](at mounted.Place, parse func([]byte) (K, error)) ([]keyFile[K], error) {
	var files []keyFile[K]
	var faults error
	for _, f := range at.Files {
		if f.Name == dummy {
			continue
		}
		file := keyFile[K]{prefix: f.Name, path: f.Path, fault: f.Err}
		if file.fault == nil {
			file.key, file.fault = parse(f.Data)
		}
		file.checkName()
		if file.fault != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", f.Path, file.fault))
		}
		files = append(files, file)
	}
	slices.SortStableFunc(files, func(a, b keyFile[K]) int {
		return cmp.Or(len(b.prefix)-len(a.prefix), order(a.fault)-order(b.fault))
	})
	return files, faults
}

// order puts what is sound before a fault.
func order(fault error) int {
	if fault == nil {
		return 0
	}
	return 1
}

// checkName finds what begins no queue's name, though a person may have thought so.
func (f *keyFile[K]) checkName() {
	for _, extension := range []string{".pub", ".pem"} {
		if name, ok := strings.CutSuffix(f.prefix, extension); ok {
			f.fault = errors.Join(f.fault, fmt.Errorf("the file's name is the prefix of the queues: name it %s", name))
			f.prefix = name
		}
	}
	if len(f.prefix) < shortestPrefix {
		f.fault = errors.Join(f.fault, fmt.Errorf("the file's name is the prefix of the queues, and shorter than %d characters", shortestPrefix))
	}
}

// parseSigningKeys reads the lines of a file, of which there is at least one.
func parseSigningKeys(data []byte) ([]envelope.VerifyKey, error) {
	var keys []envelope.VerifyKey
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := envelope.ParseVerifyKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New(`no key in it: a line is "ssh-ed25519 AAAA… name"`)
	}
	return keys, nil
}

// longest is the file with the longest prefix of those that match.
func longest[K any](files []keyFile[K], matches func(prefix string) bool) *keyFile[K] {
	for i := range files {
		if matches(files[i].prefix) {
			return &files[i]
		}
	}
	return nil
}
