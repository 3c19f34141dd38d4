// Package keyring holds the private keys that open sealed requests: the current one and those before it.
//
// The keys and their passphrases are files, or folders such as the Kubernetes secrets studioml-runner-key-secret and
// studioml-runner-passphrase-secret where they are mounted, and are read again within ten seconds of a change. Every passphrase
// is tried with every key, so that a rotation need not say which belongs to which.
//
// At the start every file must be sound: an executor that lacks a key refuses for good what was sealed for it. Later, while a
// file is at fault, the keys that were there last stay beside those that can be read, and the fault is reported with the file's
// name. Nothing that a file holds is in an error.
package keyring

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// dummy is the entry that the deployment guide makes a secret with, before there is anything in it.
const dummy = "info"

// Ring is a set of request keys that is read again when its files change. The zero Ring has none.
type Ring struct {
	source *mounted.Source[[]*envelope.PrivateKey]
}

// Open reads the files and folders of the keys, in order, and of their passphrases, which may be none. [mounted.OnFault] tells what is
// wrong with them later.
func Open(keys, passphrases []string, options ...mounted.Option) (*Ring, error) {
	if len(keys) == 0 {
		return &Ring{}, nil
	}
	paths := append(append([]string(nil), keys...), passphrases...)
	build := func(places []mounted.Place, last *[]*envelope.PrivateKey) (*[]*envelope.PrivateKey, error) {
		return read(places[:len(keys)], places[len(keys):], last)
	}
	source, err := mounted.Open(paths, build, options...)
	if err != nil {
		return nil, fmt.Errorf("read request keys: %w", err)
	}
	return &Ring{source}, nil
}

// Keys are the keys that the files hold, or held less than ten seconds ago.
func (r *Ring) Keys() []*envelope.PrivateKey {
	if r.source == nil {
		return nil
	}
	return *r.source.Get()
}

func read(keys, passphrases []mounted.Place, last *[]*envelope.PrivateKey) (*[]*envelope.PrivateKey, error) {
	phrases, faults := readPhrases(passphrases)
	var found []*envelope.PrivateKey
	for _, at := range keys {
		some, err := readPlace(at, phrases)
		found, faults = append(found, some...), errors.Join(faults, err)
	}
	switch {
	case faults == nil:
		return &found, nil
	case last == nil:
		return nil, faults
	}
	found = append(found, *last...)
	found = distinct(found)
	return &found, fmt.Errorf("%w; the request keys that were there last are still used", faults)
}

// readPhrases returns the passphrases as they stand in their files. Each is tried whole, and without the newline that tools leave.
func readPhrases(places []mounted.Place) (phrases [][]byte, faults error) {
	for _, at := range places {
		files, err := files(at)
		faults = errors.Join(faults, err)
		for _, f := range files {
			phrases = append(phrases, bytes.TrimSuffix(f.Data, []byte("\n")))
		}
	}
	return phrases, faults
}

func readPlace(at mounted.Place, phrases [][]byte) (keys []*envelope.PrivateKey, faults error) {
	files, faults := files(at)
	for _, f := range files {
		if _, err := envelope.ParsePublicKey(f.Data); err == nil && at.Folder {
			continue // the secret holds both halves
		}
		key, err := open(f.Data, phrases)
		if err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", f.Path, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && faults == nil {
		faults = fmt.Errorf("%s: there is no private key in this folder", at.Path)
	}
	return keys, faults
}

// files are those of a place that can be read.
func files(at mounted.Place) (files []mounted.File, faults error) {
	if at.Err != nil {
		return nil, at.Err
	}
	for _, f := range at.Files {
		switch {
		case at.Folder && f.Name == dummy:
		case f.Err != nil:
			faults = errors.Join(faults, f.Err)
		default:
			files = append(files, f)
		}
	}
	return files, faults
}

// open tries the passphrases. A wrong one costs what the file's encryption makes guessing cost.
func open(data []byte, phrases [][]byte) (*envelope.PrivateKey, error) {
	key, err := envelope.ParsePrivateKey(data, nil)
	for _, phrase := range phrases {
		if !errors.Is(err, envelope.ErrPassphrase) {
			break
		}
		key, err = envelope.ParsePrivateKey(data, phrase)
	}
	return key, err
}

// distinct drops keys that are there already.
func distinct(keys []*envelope.PrivateKey) (list []*envelope.PrivateKey) {
	seen := map[string]bool{}
	for _, k := range keys {
		if id := string(k.Public().MarshalPEM()); !seen[id] {
			seen[id] = true
			list = append(list, k)
		}
	}
	return list
}
