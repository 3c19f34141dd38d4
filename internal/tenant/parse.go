package tenant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse reads the file's JSON, naming every fault at once. With an error it returns the set all the same if there is one
// to use, in which the entries at fault refuse their prefixes; it returns nil if there is none:
//
//	{"tenants":[{"prefix":"rmq_","store":"b1","metadata":"b2","buckets":["b3"],"signing_keys":["ssh-ed25519 AAAA… name"],
//	  "report_key":"ssh-rsa AAAA… name"}]}
func Parse(data []byte) (*Set, error) {
	raws, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("parse tenants: %w", err)
	}
	entries := make([]entry, len(raws))
	readable := true
	for i, raw := range raws {
		entries[i] = parseEntry(raw)
		readable = readable && entries[i].tenant.Prefix != ""
	}
	markConflicts(entries)
	err = join(entries)
	if !readable {
		return nil, fmt.Errorf("parse tenants: no entry is used, since one has no readable prefix to refuse: %w", err)
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return len(b.tenant.Prefix) - len(a.tenant.Prefix) })
	if err != nil {
		return &Set{entries: entries}, fmt.Errorf("parse tenants: %w", err)
	}
	return &Set{entries: entries}, nil
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
// the order in a file to say.
func markConflicts(entries []entry) {
	for i := range entries {
		for j := range entries {
			if i != j {
				entries[i].fault = errors.Join(entries[i].fault, conflict(entries[i].tenant, entries[j].tenant, j))
			}
		}
	}
}

func conflict(a, b Tenant, other int) error {
	switch {
	case a.Prefix != "" && a.Prefix == b.Prefix:
		return fmt.Errorf("prefix: %q is that of tenants[%d] too", a.Prefix, other)
	case a.Store != "" && a.Store == b.Store && a.Metadata != b.Metadata:
		return fmt.Errorf("metadata: %q, but tenants[%d] keeps the records of the same store %q in %q", a.Metadata, other, a.Store, b.Metadata)
	}
	return nil
}

// join lists the faults in the file's order, each under its entry.
func join(entries []entry) error {
	var all []error
	for i, e := range entries {
		if e.fault != nil {
			all = append(all, fmt.Errorf("tenants[%d] (%q): %s", i, e.tenant.Prefix, strings.ReplaceAll(e.fault.Error(), "\n", "; ")))
		}
	}
	return errors.Join(all...)
}
