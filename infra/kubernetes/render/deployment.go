package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// deployment is Terraform's output of that name. Members that are not for Kubernetes are passed over.
type deployment struct {
	Project  string          `json:"project"`
	Registry string          `json:"registry"`
	Pools    json.RawMessage `json:"pools"`

	pools    pool.List
	machines map[string]machine
}

// machine is what Terraform alone makes of a pool.
type machine struct {
	MaxNodes int `json:"max_nodes"`
}

// defaultMaxNodes is the pools' default in Terraform.
const defaultMaxNodes = 10

// parse reads the pools with the programs' own parser, so that what is rendered is what they take.
func parse(text []byte) (*deployment, error) {
	var d deployment
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("not a deployment: %w", err)
	}
	var err error
	for name, value := range map[string]string{"project": d.Project, "registry": d.Registry} {
		if value == "" {
			err = errors.Join(err, fmt.Errorf("%s is missing", name))
		}
	}
	var poolErr, machineErr error
	d.pools, poolErr = pool.Parse(string(d.Pools))
	d.machines, machineErr = machines(d.Pools)
	return &d, errors.Join(err, poolErr, machineErr)
}

func machines(text []byte) (map[string]machine, error) {
	var list []struct {
		Name    string   `json:"name"`
		Machine *machine `json:"machine"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the pools' machines: %w", err)
	}
	found := map[string]machine{}
	for _, p := range list {
		m := machine{MaxNodes: defaultMaxNodes}
		if p.Machine != nil && p.Machine.MaxNodes > 0 {
			m = *p.Machine
		}
		found[p.Name] = m
	}
	return found, nil
}
