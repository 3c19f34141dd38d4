package message

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kinds of request, as attribute `kind` names them.
const (
	Clear  = "clear"
	Sealed = "sealed"
)

// maxAttribute is Pub/Sub's limit for an attribute's value in bytes.
// https://cloud.google.com/pubsub/quotas#resource_limits
const maxAttribute = 1024

// ErrInvalid marks a message that does not follow the contract. It is permanent.
var ErrInvalid = errors.New("not a relayed request")

// Relayed is a request on its way from a queue to a pool.
type Relayed struct {
	Queue       string    // RabbitMQ queue that the request came from
	Pool        string    // pool that it was routed to; "" only in a dead letter that could not be routed
	Kind        string    // Clear or Sealed; "" only in a dead letter that could not be read
	Experiment  string    // experiment key; "" unless the request is in clear
	MessageID   string    // ID of the data; derived from the data where it is ""
	TraceParent string    // W3C trace context of the relay, or "" where there is none
	RelayedAt   time.Time // when the bridge took the request from RabbitMQ
	Data        []byte    // the bytes from RabbitMQ
}

// ID returns the identity of a request: the SHA-256 of its bytes in hex.
func ID(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Attributes returns the Pub/Sub attributes of r. Empty fields have none, and every value respects Pub/Sub's limits, so
// that no message can make the batch fail in which it travels.
func (r Relayed) Attributes() map[string]string {
	id := r.MessageID
	if id == "" {
		id = ID(r.Data)
	}
	attributes := make(map[string]string, 8)
	put(attributes, "queue", r.Queue)
	put(attributes, "pool", r.Pool)
	put(attributes, "kind", r.Kind)
	put(attributes, "experiment", r.Experiment)
	put(attributes, "message_id", id)
	put(attributes, "traceparent", r.TraceParent)
	put(attributes, "relayed_at", r.RelayedAt.UTC().Format(time.RFC3339Nano))
	return attributes
}

// FromAttributes reads what [Relayed.Attributes] wrote. It refuses, with [ErrInvalid], a message without queue, pool,
// kind or time, and one whose data is not what its message_id names.
func FromAttributes(attributes map[string]string, data []byte) (Relayed, error) {
	r, err := read(attributes, data)
	switch {
	case err != nil:
		return Relayed{}, err
	case r.Pool == "":
		return Relayed{}, fmt.Errorf("%w: no attribute pool", ErrInvalid)
	case r.Kind != Clear && r.Kind != Sealed:
		return Relayed{}, fmt.Errorf("%w: attribute kind is %q", ErrInvalid, r.Kind)
	case r.MessageID != ID(data):
		return Relayed{}, fmt.Errorf("%w: attribute message_id is not the SHA-256 of the data", ErrInvalid)
	}
	return r, nil
}

// read takes the attributes that live and dead messages share.
func read(attributes map[string]string, data []byte) (Relayed, error) {
	for _, name := range []string{"queue", "message_id", "relayed_at"} {
		if attributes[name] == "" {
			return Relayed{}, fmt.Errorf("%w: no attribute %s", ErrInvalid, name)
		}
	}
	at, err := time.Parse(time.RFC3339Nano, attributes["relayed_at"])
	if err != nil {
		return Relayed{}, fmt.Errorf("%w: attribute relayed_at: %w", ErrInvalid, err)
	}
	return Relayed{
		Queue: attributes["queue"], Pool: attributes["pool"], Kind: attributes["kind"], Experiment: attributes["experiment"],
		MessageID: attributes["message_id"], TraceParent: attributes["traceparent"], RelayedAt: at, Data: data,
	}, nil
}

func put(attributes map[string]string, name, value string) {
	if value = clean(value); value != "" {
		attributes[name] = value
	}
}

// clean makes s valid UTF-8 of at most maxAttribute bytes, cut between runes.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxAttribute {
		return s
	}
	end := maxAttribute
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
