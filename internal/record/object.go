package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// object is a JSON object whose members are carried as they came, so that none loses digits or unknown fields.
type object map[string]json.RawMessage

// parseObject refuses anything but a JSON object, null included.
func parseObject(data []byte) (object, error) {
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if o == nil {
		return nil, fmt.Errorf("%w: null instead of an object", ErrMalformed)
	}
	return o, nil
}

// split reads the members called exactly names into known, and returns the others.
func split(data []byte, known any, names ...string) (object, error) {
	others, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	ours := object{}
	for _, name := range names {
		if raw, ok := others[name]; ok {
			ours[name] = raw
			delete(others, name)
		}
	}
	if data, err = encode(ours); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, known); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return others, nil
}

// join is split's inverse.
func join(known any, others object) ([]byte, error) {
	data, err := encode(known)
	if err != nil {
		return nil, err
	}
	o, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	maps.Copy(o, others)
	return encode(o)
}

// encode is json.Marshal without the escapes for HTML, which would change every `<` of a client.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// text returns a string member; null and an absent one are empty.
func (o object) text(name string) (string, error) {
	var s *string
	if raw, ok := o[name]; ok {
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
		}
	}
	if s == nil {
		return "", nil
	}
	return *s, nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}
