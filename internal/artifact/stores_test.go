package artifact

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

func TestResolveServesTheTenantsBucketsAlone(t *testing.T) {
	t.Parallel()
	stores := NewStores(nil, []string{"storage.googleapis.com", "127.0.0.1:9000"}, URLs{})
	t.Cleanup(stores.Close)
	owner := tenant.Tenant{Prefix: "rmq_a", Store: "a-store", Metadata: "a-metadata", Buckets: []string{"shared"}}
	key := request.Credentials{AccessKey: "id", SecretAccessKey: "s3cret"}
	user := request.Credentials{User: "id", Password: "s3cret"}
	tests := map[string]struct {
		object  Object
		creds   request.Credentials
		write   bool
		want    string // "gcs", "s3" or "refused"
		mention string
	}{
		"the store by gs":               {object: Object{Scheme: "gs", Bucket: "a-store"}, want: "gcs"},
		"the store by its S3 face":      {object: Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "a-store"}, want: "gcs"},
		"credentials change no own":     {object: Object{Scheme: "s3", Host: "Storage.googleapis.com", Bucket: "a-store"}, creds: key, want: "gcs"},
		"writing to the store":          {object: Object{Scheme: "gs", Bucket: "a-store"}, write: true, want: "gcs"},
		"a further bucket":              {object: Object{Scheme: "gs", Bucket: "shared"}, want: "gcs"},
		"writing to a further bucket":   {object: Object{Scheme: "gs", Bucket: "shared"}, write: true, want: "refused", mention: "a-store"},
		"another tenant's":              {object: Object{Scheme: "gs", Bucket: "b-store"}, want: "refused", mention: "a-store"},
		"another tenant's by S3":        {object: Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "b-store"}, want: "refused", mention: "no credentials"},
		"another's with its own key":    {object: Object{Scheme: "s3", Host: "storage.googleapis.com", Bucket: "b-store"}, creds: key, want: "s3"},
		"the store's name elsewhere":    {object: Object{Scheme: "s3", Host: "minio:9000", Bucket: "a-store"}, want: "refused", mention: "no credentials"},
		"elsewhere with a key":          {object: Object{Scheme: "s3", Host: "minio:9000", Bucket: "a-store"}, creds: key, want: "s3"},
		"elsewhere with a user":         {object: Object{Scheme: "s3", Host: "minio:9000", Bucket: "any"}, creds: user, want: "s3"},
		"elsewhere with half a key":     {object: Object{Scheme: "s3", Host: "minio:9000", Bucket: "any"}, creds: request.Credentials{AccessKey: "id"}, want: "refused"},
		"writing elsewhere":             {object: Object{Scheme: "s3", Host: "minio:9000", Bucket: "a-store"}, creds: key, write: true, want: "refused", mention: "a-store"},
		"gs with a key is no S3":        {object: Object{Scheme: "gs", Bucket: "b-store"}, creds: key, want: "refused", mention: "s3://storage.googleapis.com/b-store"},
		"a host that is none":           {object: Object{Scheme: "s3", Host: "no host", Bucket: "any"}, creds: key, want: "refused", mention: "no host"},
		"an empty bucket is nobody's":   {object: Object{Scheme: "gs"}, want: "refused"},
		"the local cloud's S3 face":     {object: Object{Scheme: "s3", Host: "127.0.0.1:9000", Bucket: "a-store"}, want: "gcs"},
		"the records may be read":       {object: Object{Scheme: "gs", Bucket: "a-metadata"}, want: "gcs"},
		"the records are not artifacts": {object: Object{Scheme: "gs", Bucket: "a-metadata"}, write: true, want: "refused"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.object.Key = "data/set.tar"
			store, err := stores.Resolve(tc.object, owner, tc.creds, tc.write)
			got := "refused"
			switch store.(type) {
			case *gcs:
				got = "gcs"
			case *s3:
				got = "s3"
			}
			var refused *RefusedError
			if got != tc.want || errors.As(err, &refused) != (tc.want == "refused") {
				t.Fatalf("Resolve = %s, %v; want %s", got, err, tc.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.mention) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("Resolve says %q, want %q in it", err, tc.mention)
			}
		})
	}
}

// A request must not make the executor talk to its own machine or to the metadata server, by address or by name.
func TestARequestCannotNameTheMachineItself(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1:80", "169.254.169.254:80", "[::1]:80", "[fe80::1]:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80", "[::ffff:169.254.169.254]:80",
		"[fd20:ce::254]:80", "[fd00:ec2::254]:80", "[fd20:ce::254%lo]:80", "[fd00:ec2::254%1]:80",
	} {
		if err := refuseOwn("tcp", address, nil); err == nil {
			t.Errorf("%s is let through", address)
		}
	}
	for _, address := range []string{"10.0.0.7:9000", "93.184.216.34:443", "[2001:db8::1]:443"} {
		if err := refuseOwn("tcp", address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	transport := newTransport(false)
	if conn, err := transport.DialContext(t.Context(), "tcp", "localhost:"+port); err == nil {
		_ = conn.Close()
		t.Error("localhost is let through")
	}
}
