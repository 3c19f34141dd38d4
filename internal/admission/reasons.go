package admission

import (
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// unknownTenant is never reported: without a tenant nobody is known who might read it.
func unknownTenant(queue string, fault error) *Refusal {
	if fault != nil {
		return &Refusal{Reason: UnknownTenant, Policy: true, Err: fault, Detail: fmt.Sprintf(
			"the tenant of queue %q is switched off, since its entry or its signing keys are at fault: the cluster's owner must mend it", queue)}
	}
	return &Refusal{Reason: UnknownTenant, Policy: true, Detail: fmt.Sprintf(
		"no tenant's prefix begins the name of queue %q: name the queue as the cluster's owner tells you, or have a tenant added", queue)}
}

// unverified names what is wrong with a signature. It is never reported. One that names no key may be of any, and so of one that
// is not registered here.
func unverified(t tenant.Tenant, m *envelope.Message, err error) *Refusal {
	r := &Refusal{Reason: BadSignature, Policy: m.Fingerprint == "", Err: err, Detail: "the signature was not made over this payload: " +
		"the message was altered on its way, or signed with another key than it says"}
	switch {
	case errors.Is(err, envelope.ErrUnsigned):
		r.Reason, r.Policy = Unsigned, false
		r.Detail = fmt.Sprintf("the envelope is not signed: sign it with a key that is registered for the prefix %q", t.SigningPrefix)
	case errors.Is(err, envelope.ErrWrongKey):
		r.Reason, r.Policy = WrongKey, true
		r.Detail = fmt.Sprintf("the envelope is signed with a key that is not registered for the prefix %q: sign it with a registered key, or have this one added", t.SigningPrefix)
	}
	return r
}

// CheckSize refuses a request of more bytes than most, which the caller cannot publish. Its error is a [*Refusal].
func CheckSize(size, most int) error {
	if size <= most {
		return nil
	}
	return &Refusal{Reason: TooLarge, Report: true, Detail: fmt.Sprintf("the request has %d bytes of at most %d: send data as an artifact instead", size, most)}
}

// namesBuckets refuses a sealed request that does not say whose it is. The signature covers the sealed bytes alone, so that another
// tenant who has caught them could sign them as its own; the buckets inside are what ties them to their sender's tenant.
func namesBuckets(c request.Config) error {
	if c.Storage.Bucket != "" && c.Database.Bucket != "" {
		return nil
	}
	return &Refusal{Reason: BucketRefused, Report: true, Detail: "a sealed request must name config.storage.bucket and config.database.bucket, " +
		"by which it belongs to its tenant: set both"}
}

// settleBuckets refuses a request whose results or record would be looked for elsewhere than where the cluster puts
// them. One that names no bucket is given the tenant's.
func settleBuckets(t tenant.Tenant, c *request.Config) error {
	for _, b := range []struct {
		field string
		names *string
		owns  string
	}{
		{"config.storage.bucket", &c.Storage.Bucket, t.Store},
		{"config.database.bucket", &c.Database.Bucket, t.Metadata},
	} {
		if *b.names == "" {
			*b.names = b.owns
		}
		if *b.names != b.owns {
			return &Refusal{Reason: BucketRefused, Policy: true, Report: true, Detail: fmt.Sprintf(
				"%s names a bucket that queues of the prefix %q may not use there: set it to %q", b.field, t.Prefix, b.owns)}
		}
	}
	return nil
}
