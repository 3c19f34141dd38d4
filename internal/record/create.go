package record

import "encoding/json"

// create makes a record that is not stored yet, from the experiment as its client sent it if there is one. The credentials
// of its artifacts stay out: a request may have been sealed for their sake.
func create(ref Ref, initial json.RawMessage) (*Record, error) {
	if isNull(initial) {
		initial = json.RawMessage("{}")
	}
	r, err := parse(ref, 0, initial)
	if err != nil {
		return nil, err
	}
	r.cloud = Cloud{} // a request does not say who ran it
	r.status = Waiting
	if r.fields["key"], err = encode(ref.Key); err != nil {
		return nil, err
	}
	return r, r.fields.dropCredentials()
}

func (o object) dropCredentials() error {
	if isNull(o["artifacts"]) {
		return nil
	}
	artifacts, err := parseObject(o["artifacts"])
	if err != nil {
		return err
	}
	for label, raw := range artifacts {
		artifact, err := parseObject(raw)
		if err != nil {
			return err
		}
		delete(artifact, "credentials")
		if artifacts[label], err = encode(artifact); err != nil {
			return err
		}
	}
	o["artifacts"], err = encode(artifacts)
	return err
}
