// Command fake stands in for gcloud and kubectl in the tests of roll: a deployment in one file, to which it does what they would,
// and whose call number FailAt fails, before it did anything or after.
package main

import (
	"encoding/json"
	"fmt"
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
}

type object struct {
	Image    string
	Replicas int
	Version  int
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
	case strings.HasPrefix(line, "run services "):
		return c.service(args[2], args[3], args[4:])
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

func (c *cloud) service(verb, name string, args []string) bool {
	s := c.Services[name]
	switch verb {
	case "describe":
		part, latest := 100, ""
		if s.Split {
			part = 50
		}
		if s.Latest {
			latest = "True"
		}
		fmt.Printf("%s\t%d\t%s\t%s\n", s.Image, part, s.Revision, latest)
	case "update":
		if slices.Contains(args, "--no-traffic") {
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
	case "update-traffic":
		if s.Latest = slices.Contains(args, "--to-latest"); s.Latest {
			s.Revision = name + "-" + strconv.Itoa(len(s.Revisions))
		} else {
			s.Revision = strings.TrimSuffix(value(args, "--to-revisions"), "=100")
		}
		return s.Revisions[s.Revision] != ""
	}
	return true
}

var (
	named   = regexp.MustCompile(`^(get|patch|delete) (scaledobject|deployment|poddisruptionbudget) (executor-[a-z0-9-]+)`)
	applied = regexp.MustCompile(`^apply --server-side --force-conflicts -k infra/kubernetes/overlays/([a-z0-9-]+)$`)
	field   = regexp.MustCompile(`(?m)^ *(kind|name|image|replicas|resourceVersion): (.*)$`)
)

func (c *cloud) kubectl(line string) bool {
	if m := named.FindStringSubmatch(line); m != nil {
		c.Asked = append(c.Asked, m[1]+" "+m[2])
		return c.one(m[1], m[2], m[3])
	}
	if m := applied.FindStringSubmatch(line); m != nil {
		return c.apply("executor-" + m[1])
	}
	if file, ok := strings.CutPrefix(line, "replace -f "); ok {
		return c.replace(file)
	}
	if strings.HasPrefix(line, "get scaledobjects,deployments") || line == "get deployments -o name" {
		c.Asked = append(c.Asked, "list deployment")
		if strings.Contains(line, "scaledobjects") {
			c.Asked = append(c.Asked, "list scaledobject")
			return true
		}
		for name := range c.Objects {
			if executor, ok := strings.CutPrefix(name, "deployment/"); ok {
				fmt.Println("deployment.apps/" + executor)
			}
		}
		return true
	}
	c.Faults = append(c.Faults, "kubectl "+line)
	return false
}

func (c *cloud) one(verb, kind, name string) bool {
	o := c.Objects[kind+"/"+name]
	switch {
	case verb == "delete":
		delete(c.Objects, kind+"/"+name)
	case verb == "patch" && o == nil:
		return false
	case verb == "patch":
		o.Replicas = 0
		o.Version++
	case o != nil:
		fmt.Printf("apiVersion: v1\nkind: %s\nmetadata:\n  name: %s\n  resourceVersion: \"%d\"\nspec:\n  replicas: %d\n  image: %s\n", kind, name, o.Version, o.Replicas, o.Image)
	}
	return true
}

// apply is of three objects. When the second cannot be made, the first is there.
func (c *cloud) apply(name string) bool {
	image, err := os.ReadFile(filepath.Join("infra/kubernetes/overlays", strings.TrimPrefix(name, "executor-"), "image"))
	check(err)
	for i, kind := range []string{"deployment", "poddisruptionbudget", "scaledobject"} {
		c.Asked = append(c.Asked, "create "+kind, "patch "+kind)
		if c.Calls == c.FailAt && i == 1 {
			return false
		}
		o := c.Objects[kind+"/"+name]
		if o == nil {
			o = &object{Replicas: 1}
			c.Objects[kind+"/"+name] = o
		} else if kind == "deployment" && o.Replicas > 0 {
			c.Faults = append(c.Faults, name+" is replaced before it drains")
		}
		o.Image = string(image)
		o.Version++
	}
	return true
}

func (c *cloud) replace(file string) bool {
	text, err := os.ReadFile(file)
	check(err)
	got := map[string]string{}
	for _, m := range field.FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
	}
	c.Asked = append(c.Asked, "get "+got["kind"], "update "+got["kind"])
	o := c.Objects[got["kind"]+"/"+got["name"]]
	if o == nil || got["resourceVersion"] != "" {
		return false
	}
	o.Image = got["image"]
	o.Replicas, err = strconv.Atoi(got["replicas"])
	check(err)
	o.Version++
	return true
}
