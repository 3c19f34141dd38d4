package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestWhereAnArtifactLies(t *testing.T) {
	t.Parallel()
	minio := Location{Type: "s3", Endpoint: "http://minio:9000", Bucket: "store"}
	google := Location{Type: "s3", Endpoint: "https://storage.googleapis.com", Bucket: "store"}
	tests := map[string]struct {
		artifact Artifact
		storage  Location
		want     Object
	}{
		"Google through S3":             {Artifact{Qualified: "s3://storage.googleapis.com/b-1/experiments/k/a.tar"}, google, Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "b-1", Key: "experiments/k/a.tar"}},
		"a host with a port":            {Artifact{Qualified: "s3://Minio:9000/b-1/k"}, minio, Object{Scheme: "s3", Host: "minio:9000", Bucket: "b-1", Key: "k", Insecure: true}},
		"another host with a port":      {Artifact{Qualified: "s3://10.0.0.1:9000/b-1/k"}, google, Object{Scheme: "s3", Host: "10.0.0.1:9000", Bucket: "b-1", Key: "k", Insecure: true}},
		"an address of version 6":       {Artifact{Qualified: "s3://[::1]:9000/b-1/k"}, google, Object{Scheme: "s3", Host: "[::1]:9000", Bucket: "b-1", Key: "k", Insecure: true}},
		"port 443":                      {Artifact{Qualified: "s3://h.example:443/b-1/k"}, minio, Object{Scheme: "s3", Host: "h.example:443", Bucket: "b-1", Key: "k"}},
		"no host":                       {Artifact{Qualified: "s3://b-1/dir/k"}, Location{}, Object{Scheme: "s3", Host: "s3.amazonaws.com", Bucket: "b-1", Key: "dir/k"}},
		"no host, but a storage":        {Artifact{Qualified: "s3://b-1/dir/k"}, minio, Object{Scheme: "s3", Host: "minio:9000", Bucket: "b-1", Key: "dir/k", Insecure: true}},
		"a bucket with dots, told":      {Artifact{Qualified: "s3://my.bkt/dir/k", Bucket: "my.bkt"}, google, Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "my.bkt", Key: "dir/k"}},
		"a bare host, told":             {Artifact{Qualified: "s3://objects/b-1/k", Bucket: "b-1"}, google, Object{Scheme: "s3", Host: "objects", Bucket: "b-1", Key: "k"}},
		"gs":                            {Artifact{Qualified: "gs://b-1/dir/k"}, minio, Object{Scheme: "gs", Bucket: "b-1", Key: "dir/k"}},
		"a key that is no URL":          {Artifact{Qualified: "gs://b-1/a%20b?c#d"}, minio, Object{Scheme: "gs", Bucket: "b-1", Key: "a%20b?c#d"}},
		"key in the storage's bucket":   {Artifact{Key: "blobstore/x.tar"}, minio, Object{Scheme: "s3", Host: "minio:9000", Bucket: "store", Key: "blobstore/x.tar", Insecure: true}},
		"key in another bucket":         {Artifact{Key: "k", Bucket: "b-1"}, google, Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "b-1", Key: "k"}},
		"an endpoint without scheme":    {Artifact{Key: "k"}, Location{Type: "s3", Endpoint: "minio:9000", Bucket: "store"}, Object{Scheme: "s3", Host: "minio:9000", Bucket: "store", Key: "k", Insecure: true}},
		"an endpoint with a path":       {Artifact{Key: "k"}, Location{Endpoint: "https://minio:9000/", Bucket: "store"}, Object{Scheme: "s3", Host: "minio:9000", Bucket: "store", Key: "k"}},
		"storage on Google's own terms": {Artifact{Key: "k"}, Location{Type: "gcloud", Bucket: "store"}, Object{Scheme: "gs", Bucket: "store", Key: "k"}},
		"a URL":                         {Artifact{URL: "https://Example.org:8443/data/a%20b.csv?sig=s#top"}, minio, Object{Scheme: "https", Host: "example.org:8443", Key: "data/a b.csv", Address: "https://Example.org:8443/data/a%20b.csv?sig=s"}},
		"a URL of what is stored":       {Artifact{URL: "https://example.org/a", Key: "blobstore/x.tar"}, google, Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "store", Key: "blobstore/x.tar"}},
		"storage at Amazon":             {Artifact{Key: "k"}, Location{Type: "s3", Bucket: "store"}, Object{Scheme: "s3", Host: "s3.amazonaws.com", Bucket: "store", Key: "k"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := tc.artifact.Object(tc.storage); err != nil || got != tc.want {
				t.Errorf("Object = %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestArtifactsWithoutAUsablePlace(t *testing.T) {
	t.Parallel()
	store := Location{Type: "gs", Bucket: "store"}
	for name, a := range map[string]Artifact{
		"another scheme":         {Qualified: "dockerhub://image"},
		"no place":               {},
		"a URL in clear":         {URL: "http://example.org/data"},
		"a URL without a file":   {URL: "https://example.org/data/"},
		"a URL without a host":   {URL: "https:///data"},
		"what is no URL":         {URL: "https://exa mple.org/data"},
		"a bucket with a path":   {Key: "k", Bucket: ".."},
		"a key that ends in ..":  {Key: "a/.."},
		"a key that climbs":      {Key: "a/../../other/b"},
		"a gs key that climbs":   {Qualified: "gs://bkt/../other/b"},
		"an s3 key that climbs":  {Qualified: "s3://h:1/bkt/../other/b"},
		"a key with a step of .": {Key: "a/./b"},
		"a key that is a folder": {Key: "a/"},
		"a key with a control":   {Key: "a\nb"},
		"a long key":             {Key: strings.Repeat("k", 1025)},
		"a host with blanks":     {Qualified: "s3://a b:1/bkt/k"},
		"a key only of slashes":  {Qualified: "gs://bkt//"},
	} {
		if o, err := a.Object(store); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Object = %+v, %v", name, o, err)
		}
	}
	if _, err := (Artifact{Key: "k"}).Object(Location{Type: "http", Bucket: "b-1"}); !errors.Is(err, ErrMalformed) {
		t.Errorf("another type of storage: %v", err)
	}
}

func TestObjectPrintsAsItsURL(t *testing.T) {
	t.Parallel()
	if got := (Object{Scheme: "s3", Host: "h:1", Bucket: "b", Key: "k/l"}).String(); got != "s3://h:1/b/k/l" {
		t.Error(got)
	}
	if got := (Object{Scheme: "gs", Bucket: "b", Key: "k"}).String(); got != "gs://b/k" {
		t.Error(got)
	}
	web := Object{Scheme: "https", Host: "h:1", Key: "k/l", Address: "https://h:1/k/l?sig=s3cret"}
	if got := web.String(); got != "https://h:1/k/l" || strings.Contains(fmt.Sprintf("%+v", struct{ O Object }{web}), "s3cret") {
		t.Error(got)
	}
}

func TestCredentialsInTheFormsOfClients(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sent string
		want Credentials
	}{
		"aws":                   {`{"aws":{"access_key":"A","secret_access_key":"S","region":"r","session_token":"T"}}`, Credentials{AccessKey: "A", SecretAccessKey: "S", Region: "r", SessionToken: "T"}},
		"aws as in the sample":  {`{"aws":{"access_key":"A","secret_key":"S"}}`, Credentials{AccessKey: "A", SecretAccessKey: "S"}},
		"aws with both names":   {`{"aws":{"secret_key":"old","secret_access_key":"S"}}`, Credentials{SecretAccessKey: "S"}},
		"aws with region_name":  {`{"aws":{"region_name":"r"}}`, Credentials{Region: "r"}},
		"plain":                 {`{"plain":{"user":"u","password":"p"}}`, Credentials{User: "u", Password: "p"}},
		"jwt":                   {`{"jwt":{"token":"t"}}`, Credentials{Token: "t"}},
		"the word none":         {`"none"`, Credentials{}},
		"null":                  {`null`, Credentials{}},
		"empty":                 {`{}`, Credentials{}},
		"a kind that is null":   {`{"null":{"access_key":null,"secret_access_key":null}}`, Credentials{}},
		"aws that is null":      {`{"aws":null}`, Credentials{}},
		"aws with null members": {`{"aws":{"access_key":"A","secret_access_key":"S","session_token":null}}`, Credentials{AccessKey: "A", SecretAccessKey: "S"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := parse(t, `,"artifacts":{"a":{"key":"k","credentials":`+tc.sent+`}}|,"storage":{"credentials":`+tc.sent+`}`)
			if r.Experiment.Artifacts["a"].Credentials != tc.want || r.Config.Storage.Credentials != tc.want {
				t.Error("credentials differ from what was sent")
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	const credentials = `{"aws":{"secret_access_key":"hunter2","session_token":"hunter2"},"plain":{"password":"hunter2"},"jwt":{"token":"hunter2"}}`
	r := parse(t, `,"args":["--password=hunter2"],"artifacts":{"a":{"credentials":`+credentials+`}}|,"env":{"K":"hunter2"},"storage":{"credentials":`+credentials+`}`)
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{r, *r, r.Experiment, r.Config, r.Config.Storage, r.Experiment.Artifacts, []Secret{"hunter2"}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
	}
	for _, v := range []any{r, *r, r.Experiment, r.Config, r.Config.Storage, r.Experiment.Artifacts["a"]} {
		logger.Info("x", "v", v)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	if got := out.String(); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
		t.Errorf("a secret was printed: %s", got)
	}
	if r.Config.Storage.Credentials.Password.Reveal() != "hunter2" {
		t.Error("Reveal hides the secret")
	}
}
