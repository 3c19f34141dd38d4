package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Message is an envelope taken apart. Nothing in it has been verified or decrypted.
type Message struct {
	Header      Header
	Payload     string // two base64 parts and their comma, as signed
	Fingerprint string // of the signing key; "" if the sender gave none
	Signature   string // base64; "" if the sender gave none
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
// object that has a member payload. Of an envelope that Detect finds, [Parse] may still say that it is malformed.
func Detect(body []byte) bool {
	found := false
	ok := walk(body, func(name, value []byte) bool {
		if string(name) != "message" {
			return valid(value)
		}
		found = false
		if value[0] != '{' {
			return valid(value)
		}
		return walk(value, func(name, value []byte) bool {
			found = found || string(name) == "payload"
			return valid(value)
		})
	})
	return ok && found
}

// Parse takes an envelope apart and checks the form of its payload: its parts and their lengths, not their content. Its
// only error is [ErrMalformed], with the member that is at fault.
func Parse(body []byte) (m *Message, err error) {
	ok := walk(body, func(name, value []byte) bool {
		if string(name) != "message" {
			return valid(value)
		}
		m, err = parseMessage(value)
		return err == nil
	})
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	case m == nil:
		return nil, fmt.Errorf("%w: no message", ErrMalformed)
	}
	if _, _, err := splitPayload(m.Payload); err != nil {
		return nil, err
	}
	return m, nil
}

func parseMessage(object []byte) (*Message, error) {
	m := new(Message)
	var err error
	ok := walk(object, func(name, value []byte) bool {
		if !valid(value) {
			return false
		}
		err = m.set(string(name), value)
		return err == nil
	})
	if !ok && err == nil {
		err = fmt.Errorf("%w: message is not a JSON object", ErrMalformed)
	}
	return m, err
}

func (m *Message) set(name string, value []byte) error {
	switch name {
	case "payload":
		return setText(&m.Payload, name, value)
	case "fingerprint":
		return setText(&m.Fingerprint, name, value)
	case "signature":
		return setText(&m.Signature, name, value)
	case "experiment":
		return m.Header.setExperiment(value)
	case "experiment_lifetime":
		return setText(&m.Header.Lifetime, name, value)
	case "resources_needed":
		m.Header.Resources = cloneRaw(value)
	case "time_added":
		m.Header.TimeAdded = 0 // null leaves it so
		if json.Unmarshal(value, &m.Header.TimeAdded) != nil {
			return fmt.Errorf("%w: time_added is not a number", ErrMalformed)
		}
	}
	return nil
}

func (h *Header) setExperiment(experiment []byte) error {
	if !isNull(experiment) && experiment[0] != '{' {
		return fmt.Errorf("%w: experiment is not an object", ErrMalformed)
	}
	h.PythonVer = cloneRaw(member(experiment, "pythonver"))
	if h.PythonVer == nil {
		h.PythonVer = cloneRaw(member(experiment, "pthonver"))
	}
	return setText(&h.Status, "experiment.status", member(experiment, "status"))
}

func setText(to *string, name string, value []byte) error {
	s, ok := text(value)
	if !ok && !isNull(value) {
		return fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
	}
	*to = s
	return nil
}

// cloneRaw copies, so that a small header does not keep a large body in memory.
func cloneRaw(value []byte) json.RawMessage {
	if isNull(value) {
		return nil
	}
	return bytes.Clone(value)
}
