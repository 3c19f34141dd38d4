package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
)

// ownKeys are files of the user's keys, by what they are for, and the queue that they are for.
type ownKeys struct {
	request, signing, report, queue string
}

// known adds the cluster's secrets, if they are given, to what else is known of its keys.
func (k keyPlaces) known(in io.Reader, secrets string) (keyPlaces, error) {
	if secrets == "" {
		return k, nil
	}
	given, err := readSecrets(in, secrets)
	given.tenants = k.tenants
	return given, err
}

// compared are the keys that the cluster accepts for the user's queue, and the user's own.
func (k keyPlaces) compared(own ownKeys) doctor.Keys {
	accepted, faults := k.keys()
	keys := doctor.Keys{Faults: faults, Queue: own.queue, Whole: map[string]bool{"request": len(k.requests) > 0, "signing": k.signing != nil, "report": k.reports != nil}}
	overruled := k.overruled(own.queue)
	for _, key := range accepted {
		if !overruled(key) {
			keys.Accepted = append(keys.Accepted, doctor.Key{For: key.For, Prefix: key.Prefix, Fingerprint: key.Fingerprint, From: key.From})
		}
	}
	for _, mine := range []doctor.Key{{For: "request", From: own.request}, {For: "signing", From: own.signing}, {For: "report", From: own.report}} {
		if mine.From != "" {
			keys.Mine = append(keys.Mine, fingerprinted(mine))
		}
	}
	return keys
}

// overruled tells whether a tenant's key counts for nothing, since the queue is another tenant's, of a longer prefix.
func (k keyPlaces) overruled(queue string) func(acceptedKey) bool {
	if k.tenants == nil {
		return func(acceptedKey) bool { return false }
	}
	of, _ := tenant.Survey(k.tenants, nil, nil) // its faults are told with all others
	theirs := map[[2]string]bool{}
	for _, r := range of {
		theirs[[2]string{r.Prefix, r.From}] = true
	}
	longest := owner(*k.tenants, queue)
	return func(key acceptedKey) bool {
		return strings.HasPrefix(queue, key.Prefix) && len(key.Prefix) < len(longest) && theirs[[2]string{key.Prefix, key.From}]
	}
}

// owner is the prefix of the queue's tenant.
func owner(tenants mounted.Place, queue string) (longest string) {
	for _, f := range tenants.Files {
		var of struct{ Tenants []struct{ Prefix string } }
		_ = json.Unmarshal(f.Data, &of) // its faults are told with all others
		for _, t := range of.Tenants {
			if strings.HasPrefix(queue, t.Prefix) && len(t.Prefix) > len(longest) {
				longest = t.Prefix
			}
		}
	}
	return longest
}

func fingerprinted(k doctor.Key) doctor.Key {
	data, err := os.ReadFile(k.From)
	if err != nil {
		k.Err = err
		return k
	}
	keys, err := keyfile.Parse(data, nil)
	if err == nil && len(keys) != 1 {
		err = errors.New("it must hold one key")
	}
	if k.Err = err; err == nil {
		k.Fingerprint = keys[0].Fingerprint
	}
	return k
}
