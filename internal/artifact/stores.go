package artifact

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/storage"

	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Stores finds the store of an object, and the identity under which it may be asked.
type Stores struct {
	gcs      *gcs
	s3Hosts  []string
	foreign  *http.Transport
	ownHosts *http.Transport
	web      *web
}

// NewStores takes a client with the executor's own identity, and the hosts (host or host:port) whose S3 face is Cloud
// Storage: an object there is the same object as in Cloud Storage itself. The client stays the caller's.
func NewStores(client *storage.Client, s3Hosts []string, urls URLs) *Stores {
	return &Stores{
		gcs:      &gcs{client: client, stall: stallLimit},
		s3Hosts:  s3Hosts,
		foreign:  newTransport(false),
		ownHosts: newTransport(true),
		web:      newWeb(urls),
	}
}

// Close lets go of idle connections. Downloads that run go on.
func (s *Stores) Close() {
	s.foreign.CloseIdleConnections()
	s.ownHosts.CloseIdleConnections()
	s.web.client.CloseIdleConnections()
}

// RefusedError says that an object is none of the tenant's business. It is permanent.
type RefusedError struct {
	Object Object
	Reason string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refuse %s: %s", e.Object, e.Reason) }

// Resolve decides who is asked for an object, as whom. The executor's own identity serves the tenant's buckets alone; any
// other bucket is read through the S3 protocol with the credentials that came with the request, and never written. Nothing
// is asked of the network. The error is a [*RefusedError].
func (s *Stores) Resolve(o Object, t tenant.Tenant, creds request.Credentials, write bool) (Store, error) {
	if o.Scheme == schemeHTTPS {
		return nil, refuse(o, "only what an experiment reads may be named by a URL: leave the place of what it writes to the client")
	}
	native := o.Scheme == "gs" || s.cloudStorage(o.Host)
	switch {
	case native && write && t.MayWrite(o.Bucket), native && !write && t.MayRead(o.Bucket):
		return s.gcs, nil
	case write:
		return nil, refuse(o, "experiments write only into the bucket %s of the queue that they came through: "+
			"set it as the storage's bucket", t.Store)
	case o.Scheme == "gs":
		return nil, refuse(o, "bucket %s is not one that experiments of this queue may read: copy the artifact into %s, ask the "+
			"cluster's owner to add the bucket to the tenant, or name it as s3://storage.googleapis.com/%s/… with an HMAC key of "+
			"your own as its credentials", o.Bucket, t.Store, o.Bucket)
	}
	if id, secret := accessKey(creds); id == "" || secret == "" {
		return nil, refuse(o, "bucket %s is not one that experiments of this queue may read, and the artifact carries no credentials "+
			"for it: copy it into %s, or send an access key and a secret access key that may read it", o.Bucket, t.Store)
	}
	transport := s.foreign
	if s.cloudStorage(o.Host) {
		transport = s.ownHosts
	}
	store, err := newS3(o, creds, transport)
	if err != nil {
		return nil, refuse(o, "%s is no host of an S3 store: %v", o.Host, err)
	}
	return store, nil
}

// Reader decides the same for an object that is only read, and lets everybody read a web server's files.
func (s *Stores) Reader(o Object, t tenant.Tenant, creds request.Credentials) (Opener, error) {
	if o.Scheme == schemeHTTPS {
		return s.web, nil
	}
	return s.Resolve(o, t, creds, false)
}

func (s *Stores) cloudStorage(host string) bool {
	return slices.ContainsFunc(s.s3Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func refuse(o Object, format string, args ...any) error {
	return &RefusedError{Object: o, Reason: fmt.Sprintf(format, args...)}
}
