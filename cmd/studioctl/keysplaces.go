package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// keyPlaces are the files that a cluster's keys are in; what is nil or empty is not known.
type keyPlaces struct {
	tenants, signing, reports *mounted.Place
	requests, passphrases     []mounted.Place
}

// keys lists what is accepted, and names what is at fault.
func (k keyPlaces) keys() (list []acceptedKey, faults error) {
	for _, at := range k.requests {
		keys, err := k.requestKeys(at)
		list, faults = append(list, keys...), errors.Join(faults, err)
	}
	registered, err := tenant.Survey(k.tenants, k.signing, k.reports)
	faults = errors.Join(faults, err)
	for _, r := range registered {
		for _, key := range r.Signing {
			list = append(list, acceptedKey{"signing", r.Prefix, keyfile.OfVerifyKey(key), r.From})
		}
	}
	for _, r := range registered {
		if r.Report != nil {
			list = append(list, acceptedKey{"report", r.Prefix, keyfile.OfPublicKey(r.Report), r.From})
		}
	}
	return list, faults
}

// requestKeys are the private keys of a place. Of a secret that is shown without them, its public key.
func (k keyPlaces) requestKeys(at mounted.Place) (list []acceptedKey, faults error) {
	if at.Err != nil {
		return nil, fmt.Errorf("request keys: %w", at.Err)
	}
	var public []acceptedKey
	opens := map[string]bool{}
	for _, f := range at.Files {
		if at.Folder && f.Name == "info" {
			continue
		}
		keys, err := []keyfile.Key(nil), f.Err
		if err == nil {
			keys, err = k.open(f.Data)
		}
		if err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", f.Path, err))
			continue
		}
		for _, key := range keys {
			found := acceptedKey{"request", "", key, f.Path}
			switch {
			case key.Opens() != nil:
				list, opens[key.Fingerprint] = append(list, found), true
			case key.Seals() != nil && at.Folder: // the secret holds both halves
				public = append(public, found)
			default:
				faults = errors.Join(faults, fmt.Errorf("%s: it opens no request: name a private RSA key", f.Path))
			}
		}
	}
	for _, p := range public {
		if !opens[p.Fingerprint] {
			faults = errors.Join(faults, fmt.Errorf("%s: none of the private keys here opens what is sealed for it, %s", p.From, p.Fingerprint))
		}
	}
	return list, faults
}

// open tries every passphrase, as executors do.
func (k keyPlaces) open(data []byte) ([]keyfile.Key, error) {
	var phrases [][]byte
	for _, at := range k.passphrases {
		for _, f := range at.Files {
			if f.Err == nil {
				phrases = append(phrases, bytes.TrimSuffix(f.Data, []byte("\n")))
			}
		}
	}
	for _, phrase := range phrases {
		keys, err := keyfile.Parse(data, func() ([]byte, error) { return phrase, nil })
		if !errors.Is(err, envelope.ErrPassphrase) {
			return keys, err
		}
	}
	return keyfile.Parse(data, nil)
}
