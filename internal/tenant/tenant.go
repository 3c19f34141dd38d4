package tenant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Tenant owns the queues whose names begin with its prefix.
type Tenant struct {
	Prefix      string
	Store       string   // the bucket of artifacts
	Metadata    string   // the bucket of experiment records; may be the store
	Buckets     []string // further ones, to read only
	SigningKeys []envelope.VerifyKey

	// SigningPrefix is what SigningKeys are registered for; another than Prefix where they are of the folder of signing keys.
	SigningPrefix string

	reportKey *envelope.PublicKey
}

// MayRead reports whether the executor may read the bucket for this tenant with its own identity.
func (t Tenant) MayRead(bucket string) bool {
	return bucket != "" && (bucket == t.Store || bucket == t.Metadata || slices.Contains(t.Buckets, bucket))
}

// MayWrite reports whether artifacts may be written there with the executor's own identity.
func (t Tenant) MayWrite(bucket string) bool { return bucket != "" && bucket == t.Store }

// Set is a list of tenants. It is never changed once made.
type Set struct {
	entries []entry                         // the longest prefix first; so are the files
	signing []keyFile[[]envelope.VerifyKey] // of the folder of signing keys
	reports []keyFile[*envelope.PublicKey]  // of the folder of report keys
}

// Lookup returns the tenant of a queue: of the longest prefix, which a queue's whole name may be. It returns false for a
// queue of no tenant and for one whose entry is at fault; [Set.Fault] tells them apart.
func (s *Set) Lookup(queue string) (Tenant, bool) {
	e := s.find(queue)
	if e == nil || e.fault != nil {
		return Tenant{}, false
	}
	t, err := s.signed(e.tenant, queue)
	if err != nil {
		return Tenant{}, false
	}
	return t, true
}

// Fault returns what is wrong with the entry or the signing keys of a queue, nil for sound ones or none.
func (s *Set) Fault(queue string) error {
	e := s.find(queue)
	if e == nil {
		return nil
	}
	if e.fault != nil {
		return e.fault
	}
	_, err := s.signed(e.tenant, queue)
	return err
}

// signed gives a tenant the keys that sign for one of its queues.
func (s *Set) signed(t Tenant, queue string) (Tenant, error) {
	t.SigningPrefix = t.Prefix
	f := longest(s.signing, func(prefix string) bool { return strings.HasPrefix(queue, prefix) })
	switch {
	case f == nil, len(f.prefix) < len(t.Prefix) && len(t.SigningKeys) > 0:
		return t, nil
	case f.fault != nil:
		return Tenant{}, fmt.Errorf("%s: %w", f.path, f.fault)
	case f.prefix == t.Prefix:
		t.SigningKeys = slices.Concat(t.SigningKeys, f.key)
	default:
		t.SigningKeys, t.SigningPrefix = f.key, f.prefix
	}
	return t, nil
}

func (s *Set) find(queue string) *entry {
	if s == nil {
		return nil
	}
	for i := range s.entries {
		if strings.HasPrefix(queue, s.entries[i].tenant.Prefix) {
			return &s.entries[i]
		}
	}
	return nil
}

// ByStore returns a tenant of the bucket. Tenants may share a store, and then its metadata bucket too; only these two
// fields are meant by the answer.
func (s *Set) ByStore(bucket string) (Tenant, bool) {
	if s == nil {
		return Tenant{}, false
	}
	for _, e := range s.entries {
		if e.fault == nil && e.tenant.Store == bucket {
			return e.tenant, true
		}
	}
	return Tenant{}, false
}

// All returns the sound tenants, the longest prefix first, with the keys of a queue that has the prefix's very name.
func (s *Set) All() []Tenant {
	if s == nil {
		return nil
	}
	var all []Tenant
	for _, e := range s.entries {
		if t, ok := s.Lookup(e.tenant.Prefix); ok && e.fault == nil {
			all = append(all, t)
		}
	}
	return all
}
