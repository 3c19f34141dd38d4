package tenant

import (
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// Registered are the keys that one entry or file has for the queues of a prefix.
type Registered struct {
	Prefix  string
	From    string // where they stand
	Signing []envelope.VerifyKey
	Report  *envelope.PublicKey // nil for none
}

// Survey lists what is registered in a tenants file or folder and in the folders of signing and report keys, as [Open] would take
// it, for people to look at. A place that is nil is left out. The faults are those that [OnFault] would be told of.
func Survey(tenants, signing, reports *mounted.Place) (list []Registered, faults error) {
	s := &Set{}
	if tenants != nil {
		entries, err := (&loader{}).tenants(*tenants, true)
		united, conflicts := unite(entries)
		s, faults = united, errors.Join(err, conflicts)
	}
	var err error
	if signing != nil {
		s.signing, err = survey(*signing, parseSigningKeys)
		faults = errors.Join(faults, err)
	}
	if reports != nil {
		s.reports, err = survey(*reports, envelope.ParsePublicKey)
		faults = errors.Join(faults, err)
	}
	faults = errors.Join(faults, s.markReportConflicts())
	return s.registered(), faults
}

func survey[K any](at mounted.Place, parse func([]byte) (K, error)) ([]keyFile[K], error) {
	if err := missing(at); err != nil {
		return nil, fmt.Errorf("find keys: %w", err)
	}
	return readKeys(at, parse)
}

func (s *Set) registered() (list []Registered) {
	for _, e := range s.entries {
		if e.fault == nil && (len(e.tenant.SigningKeys) > 0 || e.tenant.reportKey != nil) {
			list = append(list, Registered{Prefix: e.tenant.Prefix, From: e.place(), Signing: e.tenant.SigningKeys, Report: e.tenant.reportKey})
		}
	}
	for _, f := range s.signing {
		if f.fault == nil {
			list = append(list, Registered{Prefix: f.prefix, From: f.path, Signing: f.key})
		}
	}
	for _, f := range s.reports {
		if f.fault == nil {
			list = append(list, Registered{Prefix: f.prefix, From: f.path, Report: f.key})
		}
	}
	return list
}
