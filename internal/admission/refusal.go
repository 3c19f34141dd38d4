package admission

// Reason is a constant word for dead letters, events and metrics.
type Reason string

// The reasons for which a message is not run. The last two are not decided here: only callers know the limits of what
// they publish and the attempts that were made.
const (
	Malformed         Reason = "malformed"
	UnknownTenant     Reason = "unknown_tenant"
	Unsigned          Reason = "unsigned"
	BadSignature      Reason = "bad_signature"
	WrongKey          Reason = "wrong_key"
	NoSigningKey      Reason = "no_signing_key"
	ClearRefused      Reason = "clear_refused"
	Undecryptable     Reason = "undecryptable"
	HeaderMismatch    Reason = "header_mismatch"
	NoFit             Reason = "no_fit"
	BucketRefused     Reason = "bucket_refused"
	TooLarge          Reason = "too_large"
	AttemptsExhausted Reason = "attempts_exhausted"
)

// Refusal is why a message may never run. It is permanent.
type Refusal struct {
	Reason Reason
	Detail string // a sentence for people, fit for logs and dead letters
	Report bool   // tell the sender, if reports are wanted: false where that would help an attacker
	Err    error  // the cause; nil if the detail says it all

	// Policy is true where the bytes are sound and another policy, such as one with a newer list of tenants, might let them in.
	Policy bool
}

// Error is the reason and the detail.
func (r *Refusal) Error() string { return "refused, " + string(r.Reason) + ": " + r.Detail }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }
