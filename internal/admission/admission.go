package admission

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// Kind tells a request in clear from a sealed one.
type Kind string

// The kinds, as the attribute kind of a relayed message has them.
const (
	Clear  Kind = "clear"
	Sealed Kind = "sealed"
)

// Policy is what a cluster's owner allows.
type Policy struct {
	Tenants   func() *tenant.Set
	ClearText bool // CLEAR_TEXT_MESSAGES
	Pools     pool.List
}

// Decision is where an admitted message goes.
type Decision struct {
	Kind       Kind
	Tenant     tenant.Tenant
	Pool       pool.Pool
	Experiment string            // the key; of a request in clear only
	Request    *request.Request  // of a request in clear only
	Envelope   *envelope.Message // of a sealed one only; verified
}

// Decide judges a message by its queue and its bytes. Its error is always a [*Refusal]; the decision then holds what had
// been learnt by then, so that the sender can be told which experiment it was.
func (p Policy) Decide(queue string, body []byte) (Decision, error) {
	tenants := p.Tenants()
	t, ok := tenants.Lookup(queue)
	if !ok {
		return Decision{}, unknownTenant(queue, tenants.Fault(queue))
	}
	if m, err := envelope.Parse(body); !errors.Is(err, envelope.ErrNotEnvelope) {
		return p.decideSealed(Decision{Kind: Sealed, Tenant: t}, m, err)
	}
	if len(t.SigningKeys) > 0 {
		return Decision{Kind: Clear, Tenant: t}, sealedOnly(t, body)
	}
	return p.decideClear(Decision{Kind: Clear, Tenant: t}, body)
}

// decideSealed reports nothing to a sender who has not proven a key. The header is judged after the signature, though
// no signature covers it: Open compares it with what was signed.
func (p Policy) decideSealed(d Decision, m *envelope.Message, err error) (Decision, error) {
	if err != nil {
		return d, &Refusal{Reason: Malformed, Detail: err.Error(), Err: err}
	}
	if len(d.Tenant.SigningKeys) == 0 {
		return d, &Refusal{Reason: NoSigningKey, Policy: true, Detail: fmt.Sprintf(
			"no signing key is registered for queues of the prefix %q: its owner must add the sender's public key to the tenant", d.Tenant.Prefix)}
	}
	if err := m.Verify(d.Tenant.SigningKeys...); err != nil {
		return d, unverified(d.Tenant, m, err)
	}
	d.Envelope = m
	asked, err := request.ParseResources(m.Header.Resources)
	if err != nil {
		return d, &Refusal{Reason: Malformed, Detail: "the envelope's header: " + err.Error(), Report: true, Err: err}
	}
	d.Pool, err = p.route(asked)
	return d, err
}

func (p Policy) decideClear(d Decision, body []byte) (Decision, error) {
	r, err := request.Parse(body)
	if err == nil {
		d.Experiment, d.Request = r.Experiment.Key, r
	}
	if !p.ClearText {
		return d, &Refusal{Reason: ClearRefused, Policy: true, Report: true, Detail: "this cluster takes no requests in clear: " +
			"seal and sign the request, or ask the cluster's owner to set CLEAR_TEXT_MESSAGES to true"}
	}
	if err != nil {
		return d, &Refusal{Reason: Malformed, Detail: err.Error(), Report: true, Err: err}
	}
	if err := settleBuckets(d.Tenant, &r.Config); err != nil {
		return d, err
	}
	d.Pool, err = p.route(r.Experiment.Resources)
	return d, err
}

// Open returns the request of an admitted message, decrypted with one of the keys if it came sealed. What was sealed is
// judged as what comes in clear, and must route as its header did. Its error is always a [*Refusal]; the request then comes
// too if it could be read, so that its sender can be told which experiment it was.
func (p Policy) Open(d Decision, keys []*envelope.PrivateKey) (*request.Request, error) {
	if d.Kind == Clear {
		return d.Request, nil
	}
	inner, err := d.Envelope.Open(keys...)
	if err != nil {
		return nil, &Refusal{Reason: Undecryptable, Report: true, Err: err, Detail: "none of the cluster's keys opens the request: " +
			"seal it for the cluster's current public key"}
	}
	return p.Inside(d, inner)
}

// Inside judges what an admitted envelope holds, once it is decrypted or by whoever sealed it. It returns what [Policy.Open] does.
func (p Policy) Inside(d Decision, inner []byte) (*request.Request, error) {
	r, err := request.Parse(inner)
	if err != nil {
		return nil, &Refusal{Reason: Malformed, Detail: "the sealed request: " + err.Error(), Report: true, Err: err}
	}
	if err := namesBuckets(r.Config); err != nil {
		return r, err
	}
	if err := settleBuckets(d.Tenant, &r.Config); err != nil {
		return r, err
	}
	to, err := p.route(r.Experiment.Resources)
	if err != nil {
		return r, err
	}
	if to.Name != d.Pool.Name {
		return r, &Refusal{Reason: HeaderMismatch, Report: true, Detail: fmt.Sprintf(
			"the envelope's header asks for pool %s and the sealed request for pool %s: give resources_needed the same values in both", d.Pool.Name, to.Name)}
	}
	return r, nil
}

func (p Policy) route(asked request.Resources) (pool.Pool, error) {
	to, err := p.Pools.Route(asked)
	if err != nil {
		return pool.Pool{}, &Refusal{Reason: NoFit, Policy: true, Detail: err.Error(), Report: true, Err: err}
	}
	return to, nil
}

// sealedOnly refuses what is not an envelope on a queue whose tenant has keys, without a report: a sender who cannot
// sign is not to learn why.
func sealedOnly(t tenant.Tenant, body []byte) *Refusal {
	if !json.Valid(body) {
		return &Refusal{Reason: Malformed, Detail: "neither an envelope nor a request: not JSON"}
	}
	return &Refusal{Reason: ClearRefused, Policy: true, Detail: fmt.Sprintf(
		"queues of the prefix %q take sealed and signed requests only, since it has a signing key: seal and sign the request", t.SigningPrefix)}
}
