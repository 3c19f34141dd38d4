package tenant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse reads the JSON of one tenants file, naming every fault at once. With an error it returns the set all the same if there
// is one to use, in which the entries at fault refuse their prefixes; it returns nil if there is none:
//
//	{"tenants":[{"prefix":"rmq_","store":"b1","metadata":"b2","buckets":["b3"],"signing_keys":["ssh-ed25519 AAAA… name"],
//	  "report_key":"ssh-rsa AAAA… name"}]}
func Parse(data []byte) (*Set, error) {
	entries, err := parse("", data)
	if err != nil {
		return nil, fmt.Errorf("parse tenants: %w", err)
	}
	s, faults := unite(entries)
	if faults != nil {
		faults = fmt.Errorf("parse tenants: %w", faults)
	}
	return s, faults
}

// parse reads one file. It returns an error, and only then no entries, if it cannot be told what the file was to protect.
func parse(file string, data []byte) ([]entry, error) {
	raws, err := split(data)
	if err != nil {
		return nil, located(file, err)
	}
	entries := make([]entry, len(raws))
	readable := true
	for i, raw := range raws {
		entries[i] = parseEntry(raw)
		entries[i].file, entries[i].index = file, i
		readable = readable && entries[i].tenant.Prefix != ""
	}
	if !readable {
		return nil, located(file, fmt.Errorf("no entry is used, since one has no readable prefix to refuse: %w", join(entries)))
	}
	return entries, nil
}

func located(file string, err error) error {
	if file == "" {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}

// unite makes a set of the entries of all files. The entries stay as they are.
func unite(entries []entry) (*Set, error) {
	entries = slices.Clone(entries)
	markConflicts(entries)
	err := join(entries)
	slices.SortStableFunc(entries, func(a, b entry) int { return len(b.tenant.Prefix) - len(a.tenant.Prefix) })
	return &Set{entries: entries}, err
}

func split(data []byte) ([]json.RawMessage, error) {
	var file struct {
		Tenants []json.RawMessage `json:"tenants"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one JSON value")
	}
	if len(file.Tenants) == 0 {
		return nil, errors.New("tenants: missing or empty")
	}
	return file.Tenants, nil
}

// markConflicts puts a fault on entries that contradict each other. None of them is used: which one is meant is not for
// the order in a file, or of files, to say.
func markConflicts(entries []entry) {
	for i := range entries {
		for j := range entries {
			if i != j {
				entries[i].fault = errors.Join(entries[i].fault, conflict(entries[i].tenant, entries[j]))
			}
		}
	}
}

func conflict(a Tenant, other entry) error {
	b := other.tenant
	switch {
	case other.guess:
	case a.Prefix != "" && a.Prefix == b.Prefix:
		return fmt.Errorf("prefix: %q is that of %s too", a.Prefix, other.place())
	case a.Store != "" && a.Store == b.Store && a.Metadata != b.Metadata:
		return fmt.Errorf("metadata: %q, but %s keeps the records of the same store %q in %q", a.Metadata, other.place(), a.Store, b.Metadata)
	}
	return nil
}

// join lists the faults in the files' order, each under its entry.
func join(entries []entry) error {
	var all []error
	for _, e := range entries {
		if e.fault != nil && !e.guess {
			all = append(all, fmt.Errorf("%s (%q): %s", e.place(), e.tenant.Prefix, strings.ReplaceAll(e.fault.Error(), "\n", "; ")))
		}
	}
	return errors.Join(all...)
}
