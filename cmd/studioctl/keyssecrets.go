package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
)

// kubeSecret is one secret, or a list of them, as kubectl prints it.
type kubeSecret struct {
	Kind     string                `json:"kind"`
	Metadata struct{ Name string } `json:"metadata"`
	Data     map[string][]byte     `json:"data"`
	Items    []kubeSecret          `json:"items"`
}

// readSecrets reads the secrets that the wire format names, as though they were mounted. Others are left out.
func readSecrets(in io.Reader, file string) (k keyPlaces, err error) {
	var text []byte
	if file == "-" {
		text, err = io.ReadAll(in)
	} else {
		text, err = os.ReadFile(filepath.Clean(file))
	}
	if err != nil {
		return k, fmt.Errorf("read the secrets: %w", err)
	}
	var all kubeSecret
	if err := json.Unmarshal(text, &all); err != nil {
		return k, errors.New("read the secrets: that is not what `kubectl get secret -o json` prints") // err may repeat them
	}
	known := 0
	for _, s := range append(all.Items, all) {
		at := s.place()
		known++
		switch s.Metadata.Name {
		case signingSecret:
			k.signing = &at
		case reportSecret:
			k.reports = &at
		case requestSecret:
			k.requests = append(k.requests, at)
		case passphraseSecret:
			k.passphrases = append(k.passphrases, at)
		default:
			known--
		}
	}
	if known == 0 {
		return k, fmt.Errorf("there is none of the secrets %s, %s, %s and %s: is it the right namespace?", requestSecret, passphraseSecret, signingSecret, reportSecret)
	}
	return k, nil
}

func (s kubeSecret) place() mounted.Place {
	at := mounted.Place{Path: "secret " + s.Metadata.Name, Folder: true}
	for _, name := range slices.Sorted(maps.Keys(s.Data)) {
		at.Files = append(at.Files, mounted.File{Name: name, Path: "secret " + s.Metadata.Name + ", entry " + name, Data: s.Data[name]})
	}
	return at
}
