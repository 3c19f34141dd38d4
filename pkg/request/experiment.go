package request

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strings"
	"time"
)

// module is the file name that asks Python for a module, named by the first argument.
const module = "-m"

// Experiment is what to run.
type Experiment struct {
	Key           string   // checked by ValidKey
	Filename      string   // a script, relative to the workspace, or "-m"
	Args          []string `json:"-"` // unquoted, for exec without a shell; may hold secrets
	PythonVersion string   // "3.9", "3"; "" when unset
	PythonEnv     []string // pip requirements
	Artifacts     map[string]Artifact
	Resources     Resources
	MaxDuration   time.Duration // 0 when unset
	Status        string
	TimeAdded     time.Time // zero when unset
	Project       string
	Owner         string

	// Raw is the object as the client sent it, unknown fields and credentials included. It is never printed.
	Raw json.RawMessage `json:"-"`
}

// Command is the program's argument list: python, the script (or -m and the module) and the arguments.
func (e Experiment) Command(python string) []string {
	return append([]string{python, e.Filename}, e.Args...)
}

// Format prints the key alone, whatever the verb: arguments may hold secrets.
func (e Experiment) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "experiment "+e.Key) }

// LogValue is the key.
func (e Experiment) LogValue() slog.Value { return slog.StringValue(e.Key) }

func parseExperiment(o fields, raw json.RawMessage) Experiment {
	if raw == nil {
		o.faults.add(o.path, "missing")
		return Experiment{}
	}
	e := Experiment{
		Key:           o.text("key"),
		Filename:      o.text("filename"),
		PythonVersion: o.scalar("pythonver"),
		PythonEnv:     o.requirements("pythonenv"),
		Resources:     parseResources(o.child("resources_needed")),
		MaxDuration:   o.duration("max_duration"),
		Status:        o.text("status"),
		TimeAdded:     o.time("time_added"),
		Project:       o.scalar("project"),
		Owner:         o.scalar("owner"),
		Raw:           bytes.Clone(raw), // so that it does not keep, or change with, the whole body
	}
	for _, arg := range o.list("args") {
		e.Args = append(e.Args, unquote(arg))
	}
	if err := ValidKey(e.Key); err != nil {
		o.fault("key", err.Error())
	}
	if e.PythonVersion != "" && validName(e.PythonVersion) != nil {
		o.fault("pythonver", "not a version such as 3.9")
	}
	checkCommand(o, e)
	e.Artifacts = parseArtifacts(o.child("artifacts"), e.Key)
	return e
}

// checkCommand finds what Python could not be started with.
func checkCommand(o fields, e Experiment) {
	switch {
	case e.Filename == "":
		o.fault("filename", "missing")
	case strings.HasPrefix(e.Filename, "-") && e.Filename != module:
		o.fault("filename", "begins with a dash")
	case strings.ContainsRune(e.Filename, 0):
		o.fault("filename", "holds a zero byte")
	case e.Filename == module && (len(e.Args) == 0 || e.Args[0] == ""):
		o.fault("args", "the first names no module, which filename -m asks for")
	}
	for i, arg := range e.Args {
		if strings.ContainsRune(arg, 0) {
			o.fault(fmt.Sprintf("args[%d]", i), "holds a zero byte")
		}
	}
}

func parseArtifacts(o fields, key string) map[string]Artifact {
	labels := make([]string, 0, len(o.members))
	for label := range o.members {
		labels = append(labels, label)
	}
	sort.Strings(labels)
	artifacts := make(map[string]Artifact, len(labels))
	for _, label := range labels {
		if err := ValidLabel(label); err != nil {
			o.faults.add(o.path, "a label "+err.Error())
			continue
		}
		a := parseArtifact(o.child(label), label)
		if a.Mutable && a.Qualified == "" && a.Key == "" {
			a.Key = "experiments/" + key + "/" + label + ".tar"
		}
		artifacts[label] = a
	}
	return artifacts
}
