package tenant

import (
	"errors"
	"fmt"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// responseSuffix is what the wire format adds to a queue's name for its reports.
const responseSuffix = "_response"

// ReportKey returns the key to seal reports with that go to a response queue: that of the tenant whose queue it answers, or of the
// folder of report keys. It returns false where reports have no reader, and where it cannot be told who it is.
//
// A prefix is one of the queue's name, or the response queue's whole name: rmq_lab_ begins rmq_lab_response, but is another's
// than rmq_lab.
func (s *Set) ReportKey(responseQueue string) (*envelope.PublicKey, bool) {
	queue := strings.TrimSuffix(responseQueue, responseSuffix)
	e := s.find(queue)
	if e == nil || e.fault != nil {
		return nil, false
	}
	key := e.tenant.reportKey
	f := longest(s.reports, func(prefix string) bool { return prefix == responseQueue || strings.HasPrefix(queue, prefix) })
	if f != nil && (key == nil || len(f.prefix) >= len(e.tenant.Prefix)) {
		if f.fault != nil {
			return nil, false
		}
		key = f.key
	}
	return key, key != nil
}

// markReportConflicts puts a fault on files whose prefix has another report key in its entry: reports have one reader.
func (s *Set) markReportConflicts() (faults error) {
	for i := range s.reports {
		f := &s.reports[i]
		for _, e := range s.entries {
			if e.tenant.Prefix == f.prefix && f.fault == nil && e.tenant.reportKey != nil && !same(e.tenant.reportKey, f.key) {
				f.fault = fmt.Errorf("the key of %s (%q) is another one: no reports are sent until one of them is gone", e.place(), f.prefix)
				faults = errors.Join(faults, fmt.Errorf("%s: %w", f.path, f.fault))
			}
		}
	}
	return faults
}

func same(a, b *envelope.PublicKey) bool { return string(a.MarshalPEM()) == string(b.MarshalPEM()) }
