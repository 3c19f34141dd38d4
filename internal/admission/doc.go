// Package admission is the decision whether a message may run, and where.
//
// The bridge asks before it publishes, the executor asks again before it runs, since it trusts nobody else's check, and
// then opens what came sealed. Both use the one table here: who owns the queue, whether the message had to be sealed and
// signed, whether its buckets are its tenant's, and which pool holds it.
//
// Deciding is a pure function of the policy and the bytes. Its only error is a [*Refusal], which is permanent: callers
// dead-letter the message with its reason and acknowledge it, never requeue it. The one exception is an executor that
// refuses, by its Policy, what the bridge has let pass by another one just now: it gives that back for a while, since its
// own may be the older. A refusal's detail holds nothing secret
// and nothing of a sealed request but names of fields and pools and what it asks of them.
package admission
