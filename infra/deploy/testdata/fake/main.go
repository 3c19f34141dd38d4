// Command fake stands in for gcloud and kubectl in the tests of roll: a deployment in one file, to which it does what they would,
// and whose call number FailAt fails, before it did anything or after.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type service struct {
	Image     string            // of the next revision
	Latest    bool              // traffic goes to whatever is latest
	Revision  string            // to which all of it goes
	Revisions map[string]string // their images
	Split     bool
	Worker    bool // a worker pool
}

type object struct {
	Image    string
	Replicas int
}

type cloud struct {
	Services map[string]*service
	Jobs     map[string]string
	Objects  map[string]*object // kind/name
	Calls    int
	FailAt   int
	After    bool   // fails when it is done
	Broken   string // the image whose revisions do not start
	Relay    string // what became of relay's calls: empty, or a status code
	Scaler   string // what KEDA says of scalers
	Attempts int
	Asked    []string // of Kubernetes: verb kind
	Faults   []string // what must never be
}

func main() {
	file := os.Getenv("FAKE")
	text, err := os.ReadFile(file)
	check(err)
	var c cloud
	check(json.Unmarshal(text, &c))
	c.Calls++
	code := 0
	if c.Calls == c.FailAt && !c.After {
		code = 1
	} else if !c.do(filepath.Base(os.Args[0]), os.Args[1:]) || c.Calls == c.FailAt {
		code = 1
	}
	text, err = json.Marshal(c)
	check(err)
	check(os.WriteFile(file, text, 0o600))
	os.Exit(code)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		os.Exit(3)
	}
}

func (c *cloud) do(program string, args []string) bool {
	if program == "gcloud" { // which may ask, and so read what is not meant for it
		_, err := io.Copy(io.Discard, os.Stdin)
		check(err)
	}
	line := strings.Join(args, " ")
	switch {
	case program == "kubectl":
		return c.kubectl(strings.TrimPrefix(line, "--namespace studio "))
	case strings.HasPrefix(line, "container clusters get-credentials "):
		return strings.HasSuffix(line, " --dns-endpoint")
	case strings.HasPrefix(line, "scheduler jobs describe studio-relay "):
		c.Attempts++
		fmt.Printf("ENABLED,%s,%s\n", time.Now().Add(time.Duration(c.Attempts)*time.Minute).UTC().Format("2006-01-02T15:04:05.000000Z"), c.Relay)
		return true
	case strings.HasPrefix(line, "run services "), strings.HasPrefix(line, "run worker-pools "):
		return c.service(args[1], args[2], args[3], args[4:])
	case strings.HasPrefix(line, "run jobs describe "):
		fmt.Println(c.Jobs[args[3]])
		return true
	case strings.HasPrefix(line, "run jobs update "):
		c.Jobs[args[3]] = value(args, "--image")
		return true
	}
	c.Faults = append(c.Faults, program+" "+line)
	return false
}

func value(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 {
		return args[i+1]
	}
	return ""
}

// terms are the words that services and worker pools have for the same.
var terms = map[string][3]string{
	"services":     {"--no-traffic", "update-traffic", "status.traffic[]"},
	"worker-pools": {"--no-promote", "update-instance-split", "status.instanceSplits[]"},
}

func (c *cloud) service(kind, verb, name string, args []string) bool {
	s := c.Services[name]
	if s.Worker != (kind == "worker-pools") {
		return false
	}
	switch verb {
	case "describe":
		if value(args, "--flatten") != terms[kind][2] {
			return false
		}
		s.describe()
	case "update":
		if slices.Contains(args, terms[kind][0]) {
			s.Latest = false
		}
		s.Image = value(args, "--image")
		if s.Image == c.Broken {
			return false
		}
		revision := name + "-" + strconv.Itoa(len(s.Revisions)+1)
		s.Revisions[revision] = s.Image
		if s.Latest {
			s.Revision = revision
		}
	case terms[kind][1]:
		if s.Latest = slices.Contains(args, "--to-latest"); s.Latest {
			s.Revision = name + "-" + strconv.Itoa(len(s.Revisions))
		} else {
			s.Revision = strings.TrimSuffix(value(args, "--to-revisions"), "=100")
		}
		return s.Revisions[s.Revision] != ""
	}
	return verb != "update-traffic" || kind == "services"
}

// describe prints a line for each target of the traffic, as --flatten does. One with a tag and no calls comes first.
func (s *service) describe() {
	part, latest := 100, ""
	if s.Split {
		part = 50
	}
	if s.Latest {
		latest = "True"
	}
	fmt.Printf("%s\t\t%s-tagged\t\n%s\t%d\t%s\t%s\n", s.Image, s.Revision, s.Image, part, s.Revision, latest)
}

var (
	named   = regexp.MustCompile(`^(get|delete) (scaledobject|deployment|poddisruptionbudget) (executor-[a-z0-9-]+)`)
	applied = regexp.MustCompile(`^apply --server-side --force-conflicts -k (rollout/overlays/([a-z0-9-]+))$`)
)

func (c *cloud) kubectl(line string) bool {
	if m := named.FindStringSubmatch(line); m != nil {
		c.Asked = append(c.Asked, m[1]+" "+m[2])
		return c.one(m[1], m[2], m[3], strings.Contains(line, ".status.conditions"))
	}
	if m := applied.FindStringSubmatch(line); m != nil {
		return c.overlay(m[1], m[2])
	}
	if line == "apply --server-side --force-conflicts -f -" {
		text, err := io.ReadAll(os.Stdin)
		check(err)
		var o described
		check(json.Unmarshal(text, &o))
		c.apply(o.Kind, o.Metadata.Name, o.Spec.Image, o.Spec.Replicas)
		return true
	}
	if strings.HasPrefix(line, "get scaledobjects,deployments") || line == "get deployments -o name" {
		c.list(strings.Contains(line, "scaledobjects"))
		return true
	}
	c.Faults = append(c.Faults, "kubectl "+line)
	return false
}

func (c *cloud) list(all bool) {
	c.Asked = append(c.Asked, "list deployment")
	if all {
		c.Asked = append(c.Asked, "list scaledobject")
		return
	}
	for name := range c.Objects {
		if executor, ok := strings.CutPrefix(name, "deployment/"); ok {
			fmt.Println("deployment.apps/" + executor)
		}
	}
}

// described is an object as roll asks for it.
type described struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Image    string `json:"image"`
		Replicas *int   `json:"replicas,omitempty"`
	} `json:"spec"`
}

func (c *cloud) one(verb, kind, name string, status bool) bool {
	o := c.Objects[kind+"/"+name]
	switch {
	case verb == "delete":
		delete(c.Objects, kind+"/"+name)
	case status:
		fmt.Print(c.Scaler)
	case o != nil:
		d := described{Kind: kind}
		d.Metadata.Name, d.Spec.Image = name, o.Image
		if kind == "deployment" {
			d.Spec.Replicas = &o.Replicas
		}
		check(json.NewEncoder(os.Stdout).Encode(d))
	}
	return true
}

// overlay applies three objects. When the second cannot be made, the first is there.
func (c *cloud) overlay(folder, pool string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	check(err)
	m := regexp.MustCompile(`resources: \[(.*)\]\nreplicas: \[\{name: executor-` + pool + `, count: 0\}\]`).FindStringSubmatch(string(text))
	if m == nil {
		c.Faults = append(c.Faults, pool+": executors that run something are replaced before they drain")
		return false
	}
	image, err := os.ReadFile(filepath.Join(folder, m[1], "image"))
	check(err)
	for i, kind := range []string{"deployment", "poddisruptionbudget", "scaledobject"} {
		if c.Calls == c.FailAt && i == 1 {
			return false
		}
		c.apply(kind, "executor-"+pool, string(image), new(int))
	}
	return true
}

func (c *cloud) apply(kind, name, image string, replicas *int) {
	c.Asked = append(c.Asked, "get "+kind, "create "+kind, "patch "+kind)
	if kind != "deployment" {
		replicas = new(int)
	}
	if replicas == nil { // Kubernetes' default
		one := 1
		replicas = &one
	}
	c.Objects[kind+"/"+name] = &object{Image: image, Replicas: *replicas}
}
