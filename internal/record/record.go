package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Ref names the record of one experiment.
type Ref struct {
	Bucket string // the tenant's metadata bucket
	Key    string // the experiment's, checked before it comes here
}

// Object is the record's name in the bucket.
func (r Ref) Object() string { return "experiments/" + r.Key }

// Lease is the name of the object that holds the running attempt's heartbeat.
func (r Ref) Lease() string { return r.Object() + "/_lease" }

// Status is the member `status` of a record. Clients may write others than these.
type Status string

// The statuses that the client and this project agree on.
const (
	Waiting  Status = "waiting"
	Running  Status = "running"
	Stopped  Status = "stopped"
	Finished Status = "finished"
)

// Record is an experiment's record as it was read.
type Record struct {
	Ref        Ref
	Generation int64 // of the object that was read; 0 for a record that is not stored yet

	fields object
	status Status
	cloud  Cloud
}

func parse(ref Ref, generation int64, data []byte) (*Record, error) {
	r := &Record{Ref: ref, Generation: generation}
	var err error
	if r.fields, err = parseObject(data); err != nil {
		return nil, err
	}
	status, err := r.fields.text("status")
	if err != nil {
		return nil, err
	}
	r.status = Status(status)
	if raw := r.fields["cloud"]; !isNull(raw) {
		if err := json.Unmarshal(raw, &r.cloud); err != nil {
			return nil, fmt.Errorf("cloud: %w", err)
		}
	}
	return r, nil
}

// encode writes the record as it will be stored.
func (r *Record) encode() (data []byte, err error) {
	cloud, err := encode(r.cloud)
	if err != nil {
		return nil, fmt.Errorf("cloud: %w", err)
	}
	if _, had := r.fields["cloud"]; had || string(cloud) != "{}" {
		r.fields["cloud"] = cloud
	}
	if r.fields["status"], err = encode(r.status); err != nil {
		return nil, err
	}
	return encode(r.fields)
}

// JSON is the record as it was read, members in alphabetical order.
func (r *Record) JSON() (json.RawMessage, error) { return encode(r.fields) }

// Status is what the client or the executor last said.
func (r *Record) Status() Status { return r.status }

// Cloud is a view of the project's part, not to be changed.
func (r *Record) Cloud() Cloud { return r.cloud }

// Field is a member at the record's top as it was read; nil if there is none.
func (r *Record) Field(name string) json.RawMessage { return r.fields[name] }

// Time reads a time member such as `time_added`, seconds since 1970; zero if it is absent, null or no sensible number.
func (r *Record) Time(name string) time.Time {
	seconds, err := strconv.ParseFloat(string(bytes.TrimSpace(r.fields[name])), 64)
	if err != nil || math.Abs(seconds) > 1e12 { // ParseFloat also takes words like NaN, which JSON does not
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}

// setTime writes a time as clients do: seconds with a fraction.
func (r *Record) setTime(name string, t time.Time) {
	micros := t.UnixMicro()
	r.fields[name] = fmt.Appendf(nil, "%d.%06d", micros/1e6, micros%1e6)
}

// held tells whether attempt may go on: it claimed last, and either has not ended or ended the experiment itself, which it
// may still complete.
func (r *Record) held(attempt string) bool {
	a := r.cloud.entry(attempt)
	if a == nil || r.cloud.Attempt != attempt || r.status == Waiting {
		return false
	}
	if r.over() {
		return a.Outcome == r.cloud.Outcome
	}
	return a.Ended.IsZero()
}

// over tells whether the experiment has ended, also where its client stopped it only afterwards.
func (r *Record) over() bool {
	return r.status == Finished || r.status != Waiting && r.cloud.Outcome != ""
}
