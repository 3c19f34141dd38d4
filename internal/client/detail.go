package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// Detail is all that there is to know of an experiment.
type Detail struct {
	Experiment
	Script       string           `json:"script,omitempty"`
	Args         []string         `json:"args,omitempty"` // quoted for a shell, as clients keep them
	Python       string           `json:"python,omitempty"`
	Requirements []string         `json:"requirements,omitempty"`
	Resources    string           `json:"resources,omitempty"`
	MaxDuration  string           `json:"max_duration,omitempty"`
	Project      string           `json:"project,omitempty"`
	Owner        string           `json:"owner,omitempty"`
	History      []record.Attempt `json:"history"` // the attempts, oldest first
	Artifacts    []Artifact       `json:"artifacts"`
	Object       string           `json:"object"` // the record's
	Record       json.RawMessage  `json:"record"`
}

// Detail reads an experiment's record and lists what is stored of it.
func (c *Client) Detail(ctx context.Context, key string) (Detail, error) {
	r, err := c.read(ctx, key)
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Experiment: view(r), History: r.Cloud().Attempts, Object: "gs://" + c.Metadata + "/" + r.Ref.Object()}
	if d.Record, err = r.JSON(); err != nil {
		return d, err
	}
	d.Script, d.Python = text(r.Field("filename")), text(r.Field("pythonver"))
	d.Args, d.Requirements = texts(r.Field("args")), texts(r.Field("pythonenv"))
	d.Project, d.Owner, d.MaxDuration = text(r.Field("project")), text(r.Field("owner")), text(r.Field("max_duration"))
	d.Resources = pairs(r.Field("resources_needed"))
	d.Artifacts, err = c.Artifacts(ctx, key)
	return d, err
}

func (c *Client) read(ctx context.Context, key string) (*record.Record, error) {
	r, err := c.records.Read(ctx, c.ref(key))
	if errors.Is(err, record.ErrNotExist) {
		return nil, fmt.Errorf("%w: gs://%s/experiments/%s; `studioctl ps` lists those that there are", record.ErrNotExist, c.Metadata, key)
	}
	return r, err
}

// text is a string's text, and anything else as it is written; clients send some members in either way.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil { // null leaves it empty
		return s
	}
	return string(raw)
}

func texts(raw json.RawMessage) []string {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil
	}
	var list []string
	for _, item := range items {
		list = append(list, text(item))
	}
	return list
}

// pairs writes the members of an object in one line.
func pairs(raw json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return ""
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if value := text(members[name]); value != "" {
			list = append(list, name+" "+value)
		}
	}
	return strings.Join(list, ", ")
}
