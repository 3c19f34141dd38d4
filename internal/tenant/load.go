package tenant

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// loader makes a set of what lies in its places, and knows what was good in them before.
type loader struct {
	signing, reports bool // whether there are such folders
	entries          map[string][]entry
	signingFiles     []keyFile[[]envelope.VerifyKey]
	reportFiles      []keyFile[*envelope.PublicKey]
}

// build is a [mounted.Build] of the places that [Open] names.
func (l *loader) build(places []mounted.Place, last *Set) (*Set, error) {
	entries, faults := l.tenants(places[0], last == nil)
	if entries == nil {
		return nil, faults
	}
	places = places[1:]
	for _, at := range places {
		if err := missing(at); err != nil && last == nil {
			return nil, errors.Join(faults, fmt.Errorf("find keys: %w", err))
		}
	}
	if l.signing {
		faults = errors.Join(faults, refresh(&l.signingFiles, places[0], parseSigningKeys))
		places = places[1:]
	}
	if l.reports {
		faults = errors.Join(faults, refresh(&l.reportFiles, places[0], envelope.ParsePublicKey))
	}
	s, err := unite(entries)
	s.signing, s.reports = l.signingFiles, slices.Clone(l.reportFiles)
	return s, errors.Join(faults, err, s.markReportConflicts())
}

func missing(at mounted.Place) error {
	if at.Err == nil && !at.Folder {
		return fmt.Errorf("%s is a file: name the folder that has a file for each prefix of queues", at.Path)
	}
	return at.Err
}

// refresh reads a folder of keys anew, and leaves the files that there were if it is away.
func refresh[K any](files *[]keyFile[K], at mounted.Place, parse func([]byte) (K, error)) error {
	if err := missing(at); err != nil {
		return fmt.Errorf("%w; the keys that were there are still used", err)
	}
	var err error
	*files, err = readKeys(at, parse)
	return err
}

// tenants are the entries of all files, nil if there are none to work with. A file that says nothing keeps what it said last.
func (l *loader) tenants(at mounted.Place, first bool) ([]entry, error) {
	files := at.Files
	if at.Folder {
		files = slices.DeleteFunc(slices.Clone(files), func(f mounted.File) bool { return !strings.HasSuffix(f.Name, ".json") })
		if at.Err == nil && len(files) == 0 {
			at.Err = fmt.Errorf("%s: there is no file *.json in this folder", at.Path)
		}
	}
	if at.Err != nil && first {
		return nil, at.Err
	}
	if at.Err != nil {
		return l.all(), fmt.Errorf("%w; the tenants that were there are still used", at.Err)
	}
	faults := l.take(files)
	entries := l.all()
	if len(entries) == 0 {
		return nil, faults
	}
	for _, f := range files {
		if l.entries[f.Path] == nil {
			entries = append(entries, guess(f)...)
		}
	}
	return entries, faults
}

// take reads the files, and forgets those that are gone.
func (l *loader) take(files []mounted.File) (faults error) {
	found := map[string][]entry{}
	for _, f := range files {
		entries, err := []entry(nil), f.Err
		if err == nil {
			entries, err = parse(f.Path, f.Data)
		}
		if err != nil {
			if entries = l.entries[f.Path]; entries != nil {
				err = fmt.Errorf("%w; its last good version is still used", err)
			}
			faults = errors.Join(faults, err)
		}
		if entries != nil {
			found[f.Path] = entries
		}
	}
	if len(found) == 0 && len(l.entries) > 0 {
		return fmt.Errorf("%w; the tenants that were there are still used", faults)
	}
	l.entries = found
	return faults
}

func (l *loader) all() (all []entry) {
	for _, path := range slices.Sorted(maps.Keys(l.entries)) {
		all = append(all, l.entries[path]...)
	}
	return all
}

// prefixes finds the values of members that are named so, in whatever is left of a file.
var prefixes = regexp.MustCompile(`"prefix"\s*:\s*("(?:[^"\\]|\\.)*")`)

// guess makes entries that refuse what a file was to protect that cannot be read, as far as its text and its name tell.
func guess(f mounted.File) (entries []entry) {
	names := []string{strings.TrimSuffix(f.Name, ".json")}
	for _, found := range prefixes.FindAllSubmatch(f.Data, -1) {
		var name string
		if json.Unmarshal(found[1], &name) == nil {
			names = append(names, strings.TrimSpace(name))
		}
	}
	for _, name := range names {
		if len(name) >= shortestPrefix {
			entries = append(entries, entry{tenant: Tenant{Prefix: name}, guess: true, fault: fmt.Errorf("%s cannot be read", f.Path)})
		}
	}
	return entries
}
