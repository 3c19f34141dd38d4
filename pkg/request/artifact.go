package request

import (
	"fmt"
	"strings"
	"time"
)

// Artifact is one folder of the experiment. A mutable one is saved while the program runs and afterwards.
type Artifact struct {
	Label   string // checked by ValidLabel
	Bucket  string
	Key     string // of the object; for a mutable artifact that names no place, where the wire format has it
	Hash    string
	Local   string // the path on the client's machine; of no use here
	Mutable bool

	// Unpack is true when unset: only for things given by URL, and then explicitly, do clients mean the file itself.
	Unpack        bool
	Qualified     string
	URL           string
	SaveFrequency time.Duration // 0 when unset
	Credentials   Credentials
}

func parseArtifact(o fields, label string) Artifact {
	a := Artifact{
		Label:         label,
		Bucket:        o.text("bucket"),
		Key:           o.text("key"),
		Hash:          o.text("hash"),
		Local:         o.text("local"),
		Mutable:       o.flag("mutable", false),
		Unpack:        o.flag("unpack", true),
		Qualified:     o.text("qualified"),
		URL:           o.text("url"),
		SaveFrequency: o.duration("saveFrequency"),
		Credentials:   parseCredentials(o, "credentials"),
	}
	for name, address := range map[string]string{"qualified": a.Qualified, "url": a.URL} {
		if carriesCredentials(address) {
			o.fault(name, "carries a user or password; send them as credentials")
		}
	}
	return a
}

// Object is where the artifact lies: what qualified says, else key in the artifact's bucket, or in the storage's where
// it names none, else url. Its errors match [ErrMalformed] and repeat nothing of the address.
func (a Artifact) Object(storage Location) (Object, error) {
	o, err := a.locate(storage)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return Object{}, fmt.Errorf("%w: experiment.artifacts.%s: %w", ErrMalformed, a.Label, err)
	}
	return o, nil
}

func (a Artifact) locate(storage Location) (Object, error) {
	if a.Qualified != "" {
		return parseQualified(a.Qualified, a.Bucket, storage)
	}
	if a.URL != "" && a.Key == "" {
		return parseURL(a.URL)
	}
	scheme, err := storage.scheme()
	if err != nil {
		return Object{}, err
	}
	bucket := a.Bucket
	if bucket == "" {
		bucket = storage.Bucket
	}
	o := Object{Scheme: scheme, Bucket: bucket, Key: strings.TrimPrefix(a.Key, "/")}
	if scheme == schemeS3 {
		o.Host, o.Insecure = storage.s3Host()
	}
	return o, nil
}
