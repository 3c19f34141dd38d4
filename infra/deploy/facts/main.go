// Command facts takes from deployment.json, Terraform's output of that name, what the scripts of cloudbuild.yaml need, so that
// they get by with a shell: a file each.
//
//	go run ./infra/deploy/facts deployment.json rollout
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "facts:", err)
		os.Exit(1)
	}
}

type deployment struct {
	Project    string `json:"project"`
	Region     string `json:"region"`
	Name       string `json:"name"`
	Registry   string `json:"registry"`
	Cluster    string `json:"cluster"`
	SigningKey string `json:"signing_key"` // as cosign names keys; without a version it takes the newest
	// Workers are the worker pools, by the function whose image they have.
	Workers map[string]string `json:"workers"`
	Pools   []struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	} `json:"pools"`
}

// plain is what a shell leaves alone.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("name deployment.json and the folder to write to")
	}
	text, err := os.ReadFile(args[0]) //nolint:gosec // the build names it
	if err != nil {
		return fmt.Errorf("read the deployment: %w", err)
	}
	var d deployment
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("read the deployment %s: %w", args[0], err)
	}
	facts, err := d.facts()
	if err != nil {
		return fmt.Errorf("%s, which Terraform writes: %w; apply first", args[0], err)
	}
	if err := os.MkdirAll(args[1], 0o755); err != nil { //nolint:gosec // nothing secret is in it
		return fmt.Errorf("make the folder of facts: %w", err)
	}
	for name, lines := range facts {
		text := strings.Join(append(lines, ""), "\n")
		if err := os.WriteFile(filepath.Join(args[1], name), []byte(text), 0o644); err != nil { //nolint:gosec // likewise
			return fmt.Errorf("write the fact %s: %w", name, err)
		}
	}
	return nil
}

// facts are the files' lines.
func (d deployment) facts() (map[string][]string, error) {
	facts := map[string][]string{
		"project": {d.Project}, "region": {d.Region}, "name": {d.Name}, "registry": {d.Registry}, "cluster": {d.Cluster}, "signing_key": {d.SigningKey}, "pools": {}, "jobs": {}, "workers": {},
	}
	var faults error
	for function, name := range d.Workers {
		if function != "relay" {
			faults = errors.Join(faults, fmt.Errorf("%s is a worker of the function %q", name, function))
		}
		facts["workers"] = append(facts["workers"], name)
	}
	for _, p := range d.Pools {
		file, known := map[string]string{"gke": "pools", "run-job": "jobs"}[p.Kind]
		if !known {
			faults = errors.Join(faults, fmt.Errorf("pool %s is of the kind %q", p.Name, p.Kind))
			continue
		}
		facts[file] = append(facts[file], p.Name)
	}
	for name, lines := range facts {
		for _, line := range lines {
			if !plain.MatchString(line) {
				faults = errors.Join(faults, fmt.Errorf("%s is %q", name, line))
			}
		}
	}
	return facts, faults
}
