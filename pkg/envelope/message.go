package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Message is an envelope taken apart. Nothing in it has been verified or decrypted.
type Message struct {
	Header      Header
	Fingerprint string // of the signing key; "" if the sender gave none
	Signature   string // base64; "" if the sender gave none
	payload     payload
}

// Header is the clear part of an envelope, for scheduling only: no signature covers it, and after decryption the inner
// request decides.
type Header struct {
	Status    string          // experiment.status
	PythonVer json.RawMessage // experiment.pythonver as sent, a string or a number; nil if absent or null
	TimeAdded float64         // seconds since the epoch; 0 if absent or null
	Lifetime  string          // experiment_lifetime, such as "30m"; "" if absent or null
	Resources json.RawMessage // resources_needed as sent; nil if absent or null
}

// Detect reports whether a body is an envelope rather than a request in clear: a JSON object whose member message is an
// object that has a member payload. [Parse] tells the same with [ErrNotEnvelope], and may say of an envelope that Detect
// finds that it is malformed.
func Detect(body []byte) bool {
	found := false
	ok := walkAll(body, func(name, rest []byte) int {
		if string(name) != "message" {
			return valueLen(rest)
		}
		found = false
		if !bytes.HasPrefix(rest, []byte("{")) {
			return valueLen(rest)
		}
		return walk(rest, func(name, rest []byte) int {
			found = found || string(name) == "payload"
			return valueLen(rest)
		})
	})
	return ok && found
}

// Parse takes an envelope apart and checks the form of its payload: its parts, their lengths and their base64. Its errors
// are [ErrMalformed], with the member that is at fault, and of those [ErrNotEnvelope] for what [Detect] does not find.
// The message refers to the body, which must not change before [Message.Verify] has returned.
func Parse(body []byte) (m *Message, err error) {
	ok := walkAll(body, func(name, rest []byte) (length int) {
		if string(name) != "message" {
			return valueLen(rest)
		}
		m, length, err = parseMessage(rest)
		return length
	})
	switch {
	case ok && m != nil:
		return m, nil
	case !Detect(body):
		return nil, ErrNotEnvelope
	default:
		return nil, err
	}
}

// parseMessage reads the object that b begins with and returns its length; 0 with every error.
func parseMessage(b []byte) (m *Message, length int, err error) {
	m = new(Message)
	length = walk(b, func(name, rest []byte) (n int) {
		n, err = m.set(string(name), rest)
		return n
	})
	if err == nil && (length == 0 || m.payload.text == nil) {
		return nil, 0, fmt.Errorf("%w: message is not a JSON object with a payload", ErrMalformed)
	}
	return m, length, err
}

// set takes the value that b begins with and returns its length, 0 if there is none that is valid JSON; 0 with every error.
func (m *Message) set(name string, b []byte) (int, error) {
	switch name {
	case "payload":
		return m.setPayload(b)
	case "fingerprint":
		return setText(&m.Fingerprint, name, b)
	case "signature":
		return setText(&m.Signature, name, b)
	case "experiment_lifetime":
		return setText(&m.Header.Lifetime, name, b)
	}
	n := valueLen(b)
	if n == 0 {
		return 0, nil
	}
	value := b[:n]
	switch name {
	case "experiment":
		if err := m.Header.setExperiment(value); err != nil {
			return 0, err
		}
	case "resources_needed":
		m.Header.Resources = cloneRaw(value)
	case "time_added":
		m.Header.TimeAdded = 0 // null leaves it so
		if json.Unmarshal(value, &m.Header.TimeAdded) != nil {
			return 0, fmt.Errorf("%w: time_added is not a number", ErrMalformed)
		}
	}
	return n, nil
}

// setPayload looks for no escapes in what is base64, which has none: they are for the odd sender.
func (m *Message) setPayload(b []byte) (n int, err error) {
	if p, n := cutPayload(b); n > 0 {
		m.payload = p
		return n, nil
	}
	var text []byte
	if n, err = setBytes(&text, "payload", b); n == 0 {
		return 0, err
	}
	if m.payload, err = parsePayload(text); err != nil {
		return 0, err
	}
	return n, nil
}

func (h *Header) setExperiment(experiment []byte) error {
	if !isNull(experiment) && experiment[0] != '{' {
		return fmt.Errorf("%w: experiment is not an object", ErrMalformed)
	}
	h.PythonVer = cloneRaw(member(experiment, "pythonver"))
	if h.PythonVer == nil {
		h.PythonVer = cloneRaw(member(experiment, "pthonver"))
	}
	_, err := setText(&h.Status, "experiment.status", member(experiment, "status"))
	return err
}

func setText(to *string, name string, b []byte) (int, error) {
	var content []byte
	n, err := setBytes(&content, name, b)
	*to = string(content)
	return n, err
}

// setBytes takes a string or null, which is the empty one; a member that is absent is null.
func setBytes(to *[]byte, name string, b []byte) (n int, err error) {
	if isNull(b) {
		*to = nil
		return valueLen(b), nil
	}
	if *to, n = cutText(b); n == 0 && valueLen(b) > 0 {
		return 0, fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	return n, nil
}

// cloneRaw copies, so that a small header does not keep a large body in memory.
func cloneRaw(value []byte) json.RawMessage {
	if isNull(value) {
		return nil
	}
	return bytes.Clone(value)
}
