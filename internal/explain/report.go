package explain

import "time"

// Report is what would become of a message.
type Report struct {
	Runs       bool        `json:"runs"`
	Refusal    *Refusal    `json:"refusal,omitempty"`
	Queue      string      `json:"queue"`
	Kind       string      `json:"kind,omitempty"` // clear or sealed
	Bytes      int         `json:"bytes"`
	MostBytes  int         `json:"most_bytes"` // that a message may have
	Tenant     *Tenant     `json:"tenant,omitempty"`
	Signature  string      `json:"signature,omitempty"`
	Pool       string      `json:"pool,omitempty"`
	Pools      []Pool      `json:"pools,omitempty"` // each in the order in which it is tried, up to the one that holds the request
	Experiment *Experiment `json:"experiment,omitempty"`
	Unknown    []string    `json:"unknown,omitempty"` // what nobody can know before
}

// Refusal is why the message would not run.
type Refusal struct {
	Stage   string `json:"stage"`             // queue, bridge or executor
	Reason  string `json:"reason,omitempty"`  // the constant word of a dead letter
	Outcome string `json:"outcome,omitempty"` // of the record
	Detail  string `json:"detail"`            // the words
	Becomes string `json:"becomes"`           // what is left of the message
}

// Tenant is whose queue it is.
type Tenant struct {
	Prefix   string   `json:"prefix"`
	Store    string   `json:"store"`
	Metadata string   `json:"metadata"`
	Buckets  []string `json:"buckets,omitempty"` // further ones, to read
}

// Pool is whether one pod of a pool holds what is asked.
type Pool struct {
	Name  string `json:"name"`
	Holds bool   `json:"holds"`
	Field string `json:"field,omitempty"` // of which it has too little
	Asked string `json:"asked,omitempty"`
	Has   string `json:"has,omitempty"`
	Slots int    `json:"slots,omitempty"` // GPU slots that the request takes in it
	Cards int    `json:"cards,omitempty"` // over which they are spread
}

// Experiment is what would run.
type Experiment struct {
	Key          string     `json:"key"`
	Script       string     `json:"script"`
	Arguments    int        `json:"arguments"` // how many; what they say may be secret
	Python       string     `json:"python"`
	Requirements []string   `json:"requirements,omitempty"`
	Env          []string   `json:"env,omitempty"` // names
	Artifacts    []Artifact `json:"artifacts"`
	MaxDuration  string     `json:"max_duration,omitempty"`
	Lifetime     string     `json:"lifetime,omitempty"`
	Until        time.Time  `json:"until,omitzero"` // when its lifetime ends
	SaveEvery    string     `json:"save_every"`
	MostFiles    int        `json:"most_files"`            // in one artifact
	MostUnpacked int64      `json:"most_unpacked"`         // bytes in one artifact
	Asks         string     `json:"asks_for"`              // resources
	Fingerprint  string     `json:"fingerprint,omitempty"` // of the key that signed
}

// Artifact is a folder of the experiment.
type Artifact struct {
	Label   string `json:"label"`
	Mutable bool   `json:"mutable"`
	Object  string `json:"object,omitempty"`
	Fault   string `json:"fault,omitempty"`
}
