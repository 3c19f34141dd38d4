package tenant

import (
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// responseSuffix is what the wire format adds to a queue's name for its reports.
const responseSuffix = "_response"

// Tenant owns the queues whose names begin with its prefix.
type Tenant struct {
	Prefix      string
	Store       string   // the bucket of artifacts
	Metadata    string   // the bucket of experiment records; may be the store
	Buckets     []string // further ones, to read only
	SigningKeys []envelope.VerifyKey

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
	entries []entry // the longest prefix first
}

// entry is a tenant or, with a fault, the prefix that it refuses.
type entry struct {
	tenant Tenant
	fault  error
}

// Lookup returns the tenant of a queue: of the longest prefix, which a queue's whole name may be. It returns false for a
// queue of no tenant and for one whose entry is at fault; [Set.Fault] tells them apart.
func (s *Set) Lookup(queue string) (Tenant, bool) {
	if e := s.find(queue); e != nil && e.fault == nil {
		return e.tenant, true
	}
	return Tenant{}, false
}

// Fault returns what is wrong with the entry of a queue, nil for a sound one or none.
func (s *Set) Fault(queue string) error {
	if e := s.find(queue); e != nil {
		return e.fault
	}
	return nil
}

// ReportKey returns the key to seal reports with that go to a response queue: that of the tenant whose queue it answers. It
// returns false where reports have no reader, an entry at fault among them.
func (s *Set) ReportKey(responseQueue string) (*envelope.PublicKey, bool) {
	e := s.find(strings.TrimSuffix(responseQueue, responseSuffix))
	if e == nil || e.fault != nil || e.tenant.reportKey == nil {
		return nil, false
	}
	return e.tenant.reportKey, true
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

// All returns the sound tenants, the longest prefix first.
func (s *Set) All() []Tenant {
	if s == nil {
		return nil
	}
	var all []Tenant
	for _, e := range s.entries {
		if e.fault == nil {
			all = append(all, e.tenant)
		}
	}
	return all
}
