package tenant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// shortestPrefix is the wire format's: "rmq_" alone.
const shortestPrefix = 4

// bucketName is Cloud Storage's rule but for its finer points.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)

// entry is a tenant or, with a fault, the prefix that it refuses.
type entry struct {
	tenant Tenant
	fault  error
	file   string // "" where there is but one
	index  int    // in the file's list
	guess  bool   // it stands for one that cannot be read, and whose file's fault is told elsewhere
}

// place names the entry as its writer finds it.
func (e *entry) place() string {
	if e.file == "" {
		return fmt.Sprintf("tenants[%d]", e.index)
	}
	return fmt.Sprintf("%s: tenants[%d]", e.file, e.index)
}

// reader takes the members of one entry by their exact names and collects faults.
type reader struct {
	members map[string]json.RawMessage
	faults  []error
}

func (r *reader) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// read walks the object itself: encoding/json would let the last of two equal names win, and an empty second
// signing_keys would open the tenant.
func (r *reader) read(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	r.members = map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if _, twice := r.members[name]; twice {
			r.fault("%s: twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		r.members[name] = value
	}
	return nil
}

// take decodes a member and leaves v as it is if there is none.
func (r *reader) take(name string, v any) {
	raw, found := r.members[name]
	delete(r.members, name)
	if found && json.Unmarshal(raw, v) != nil {
		r.fault("%s: of another type than expected", name)
	}
}

// parseEntry keeps what could be read of an entry at fault, above all its prefix.
func parseEntry(raw json.RawMessage) entry {
	var r reader
	if err := r.read(raw); err != nil {
		return entry{fault: err}
	}
	var t Tenant
	var keys []string
	var reportKey *string
	r.take("prefix", &t.Prefix)
	r.take("store", &t.Store)
	r.take("metadata", &t.Metadata)
	r.take("buckets", &t.Buckets)
	r.take("signing_keys", &keys)
	r.take("report_key", &reportKey)
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		r.fault("%s: no such member", name)
	}
	r.checkPrefix(&t)
	r.checkBucket("store", t.Store)
	r.checkBucket("metadata", t.Metadata)
	for i, bucket := range t.Buckets {
		r.checkBucket(fmt.Sprintf("buckets[%d]", i), bucket)
	}
	for i, line := range keys {
		key, err := envelope.ParseVerifyKey([]byte(line))
		if err != nil {
			r.fault("signing_keys[%d]: %w", i, err)
		}
		t.SigningKeys = append(t.SigningKeys, key)
	}
	if reportKey != nil {
		key, err := envelope.ParsePublicKey([]byte(*reportKey))
		if err != nil {
			r.fault("report_key: %w", err)
		}
		t.reportKey = key
	}
	return entry{tenant: t, fault: errors.Join(r.faults...)}
}

// checkPrefix refuses blanks around a prefix, but takes them off, so that the entry refuses what it was meant for. A
// prefix that no queue has, for what is inside it, counts as none.
func (r *reader) checkPrefix(t *Tenant) {
	if trimmed := strings.TrimSpace(t.Prefix); trimmed != t.Prefix {
		r.fault("prefix: blanks around it")
		t.Prefix = trimmed
	}
	switch {
	case t.Prefix == "":
		r.fault("prefix: missing")
	case len(t.Prefix) < shortestPrefix:
		r.fault("prefix: shorter than %d characters", shortestPrefix)
	case strings.ContainsFunc(t.Prefix, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		r.fault("prefix: holds a blank or a character that cannot be printed")
		t.Prefix = ""
	}
}

func (r *reader) checkBucket(name, bucket string) {
	switch {
	case bucket == "":
		r.fault("%s: missing", name)
	case !bucketName.MatchString(bucket):
		r.fault("%s: %q is not a bucket's name", name, bucket)
	}
}
