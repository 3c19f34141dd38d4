package tenant

import (
	"fmt"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
)

// Source is a set of tenants that is read again within ten seconds of a change of its files.
type Source struct{ set *mounted.Source[Set] }

// Option changes what a [Source] reads, and how.
type Option func(*settings)

type settings struct {
	signing, reports string
	mounted          []mounted.Option
}

// SigningKeys names a folder with a file for each prefix of queues: lines "ssh-ed25519 AAAA… comment". "" names none.
func SigningKeys(folder string) Option { return func(s *settings) { s.signing = folder } }

// ReportKeys names a folder with a file for each prefix of queues: an RSA public key. "" names none.
func ReportKeys(folder string) Option { return func(s *settings) { s.reports = folder } }

// OnFault gives a function that is told, once for each version of the files, what is wrong with them. It is called during
// [Open] and [Source.Tenants] and must not call back.
func OnFault(report func(error)) Option {
	return func(s *settings) { s.mounted = append(s.mounted, mounted.OnFault(report)) }
}

// Clock replaces time.Now.
func Clock(now func() time.Time) Option {
	return func(s *settings) { s.mounted = append(s.mounted, mounted.Clock(now)) }
}

// Open reads a tenants file, or the files *.json of a folder, and the folders of keys. It fails if there is no usable set in
// them; other faults go to [OnFault] alone.
func Open(path string, options ...Option) (*Source, error) {
	var s settings
	for _, o := range options {
		o(&s)
	}
	l := &loader{signing: s.signing != "", reports: s.reports != ""}
	paths := []string{path}
	for _, folder := range []string{s.signing, s.reports} {
		if folder != "" {
			paths = append(paths, folder)
		}
	}
	set, err := mounted.Open(paths, l.build, s.mounted...)
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	return &Source{set}, nil
}

// Tenants returns the set as the files had it less than ten seconds ago. What is at fault in a new version changes as little as is
// safe; see the package documentation.
func (s *Source) Tenants() *Set { return s.set.Get() }
