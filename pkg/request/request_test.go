package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// body is a request with extra members in the experiment and, after a bar, in the configuration.
func body(extra string) []byte {
	experiment, config, _ := strings.Cut(extra, "|")
	return fmt.Appendf(nil, `{"experiment":{"key":"1530054413_a","filename":"train.py"%s},"config":{"x":1%s}}`, experiment, config)
}

func parse(t *testing.T, extra string) *Request {
	t.Helper()
	r, err := Parse(body(extra))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return r
}

func TestTypesThatClientsSend(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		extra string
		got   func(*Request) any
		want  any
	}{
		"gpuCount as a string":                      {`,"resources_needed":{"gpuCount":"1"}`, resources, Resources{GPUCount: 1}},
		"gpuCount as a number":                      {`,"resources_needed":{"gpuCount":1}`, resources, Resources{GPUCount: 1}},
		"gpuMem as a string":                        {`,"resources_needed":{"gpuMem":"4gb"}`, resources, Resources{GPUMem: 4e9}},
		"gpuMem as the number 0":                    {`,"resources_needed":{"gpuMem":0}`, resources, Resources{}},
		"gpuMem absent, gpus not":                   {`,"resources_needed":{"gpus":2}`, resources, Resources{GPUs: 2}},
		"gpuMem as the string 0":                    {`,"resources_needed":{"gpuMem":"0"}`, resources, Resources{}},
		"resources null":                            {`,"resources_needed":null`, resources, Resources{}},
		"resources absent":                          {``, resources, Resources{}},
		"resources with null fields":                {`,"resources_needed":{"cpus":null,"ram":null,"gpus":""}`, resources, Resources{}},
		"whole floats":                              {`,"resources_needed":{"cpus":2.0,"ram":4e9}`, resources, Resources{CPUs: 2, RAM: 4e9}},
		"sizes in SI, binary, one letter, any case": {`,"resources_needed":{"ram":"2gib","hdd":"10G","gpuMem":"3g"}`, resources, Resources{RAM: 2 << 30, HDD: 10e9, GPUMem: 3e9}},
		"args quoted for a shell":                   {`,"args":["'a b'","--x='a'\"'\"'y'","''","'$HOME'"]`, args, []string{"a b", "--x=a'y", "", "$HOME"}},
		"args null":                                 {`,"args":null`, args, []string(nil)},
		"args as numbers":                           {`,"args":[10,0.5]`, args, []string{"10", "0.5"}},
		"max_duration of three units":               {`,"max_duration":"48h2m10s"`, maxDuration, 48*time.Hour + 2*time.Minute + 10*time.Second},
		"max_duration of one unit":                  {`,"max_duration":"20m"`, maxDuration, 20 * time.Minute},
		"max_duration in capitals":                  {`,"max_duration":"20M"`, maxDuration, 20 * time.Minute},
		"max_duration null":                         {`,"max_duration":null`, maxDuration, time.Duration(0)},
		"max_duration in seconds":                   {`,"max_duration":90`, maxDuration, 90 * time.Second},
		"pythonver 3.6":                             {`,"pythonver":"3.6"`, pythonVersion, "3.6"},
		"pythonver 3 as text":                       {`,"pythonver":"3"`, pythonVersion, "3"},
		"pythonver 3 as a number":                   {`,"pythonver":3`, pythonVersion, "3"},
		"pythonver 3.10 as a number":                {`,"pythonver":3.10`, pythonVersion, "3.10"},
		"pythonver null":                            {`,"pythonver":null`, pythonVersion, ""},
		"verbose true":                              {`|,"verbose":true`, verbose, true},
		"verbose as the string true":                {`|,"verbose":"true"`, verbose, true},
		"verbose as the string false":               {`|,"verbose":"false"`, verbose, false},
		"verbose as a level":                        {`|,"verbose":"debug"`, verbose, true},
		"verbose as a quiet level":                  {`|,"verbose":"error"`, verbose, false},
		"verbose as a level's number":               {`|,"verbose":10`, verbose, true},
		"mutable as a string":                       {`,"artifacts":{"a":{"mutable":"true","unpack":"false"}}`, artifact("a"), Artifact{Label: "a", Key: "experiments/1530054413_a/a.tar", Mutable: true}},
		"unpack null":                               {`,"artifacts":{"a":{"key":"k","unpack":null}}`, artifact("a"), Artifact{Label: "a", Key: "k", Unpack: true}},
		"saveFrequency as a number":                 {`,"artifacts":{"a":{"key":"k","saveFrequency":30}}`, artifact("a"), Artifact{Label: "a", Key: "k", Unpack: true, SaveFrequency: 30 * time.Second}},
		"save frequency and lifetime":               {`|,"saveWorkspaceFrequency":"3m","experimentLifetime":"30m"`, frequencies, [2]time.Duration{3 * time.Minute, 30 * time.Minute}},
		"environment of numbers and booleans":       {`|,"env":{"A":"x","B":1,"C":true,"D":null}`, environment, map[string]string{"A": "x", "B": "1", "C": "true"}},
		"pip null":                                  {`|,"pip":null`, func(r *Request) any { return r.Config.Pip }, []string(nil)},
		"time_added with a fraction":                {`,"time_added":1530054413.13`, timeAdded, time.UnixMicro(1530054413130000).UTC()},
		"time_added null":                           {`,"time_added":null`, timeAdded, time.Time{}},
		"project null, owner absent":                {`,"project":null`, func(r *Request) any { return r.Experiment.Project + r.Experiment.Owner }, ""},
		"unknown fields of any type":                {`,"git":{"a":[1]},"metric":[],"author":7|,"optimizer":{"x":null}`, resources, Resources{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.got(parse(t, tc.extra)); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %#v, want %#v", got, tc.want)
			}
		})
	}
}

func resources(r *Request) any     { return r.Experiment.Resources }
func args(r *Request) any          { return r.Experiment.Args }
func maxDuration(r *Request) any   { return r.Experiment.MaxDuration }
func pythonVersion(r *Request) any { return r.Experiment.PythonVersion }
func timeAdded(r *Request) any     { return r.Experiment.TimeAdded }
func verbose(r *Request) any       { return r.Config.Verbose }
func environment(r *Request) any   { return r.Config.Env }
func frequencies(r *Request) any {
	return [2]time.Duration{r.Config.SaveWorkspaceFrequency, r.Config.ExperimentLifetime}
}
func artifact(label string) func(*Request) any {
	return func(r *Request) any { return r.Experiment.Artifacts[label] }
}

func TestMalformedRequestsAreRefusedByField(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"not JSON":                   {`{"experiment": nope}`, "not JSON"},
		"not an object":              {`[1]`, "not a JSON object"},
		"empty":                      {``, "not JSON"},
		"two values":                 {`{} {}`, "not JSON"},
		"no experiment":              {`{"config":{}}`, "experiment: missing"},
		"experiment of another type": {`{"experiment":"x"}`, "experiment: not an object"},
		"names of another case":      {`{"experiment":{"Key":"a","filename":"x"}}`, "experiment.key: missing"},
		"key with a path":            {`{"experiment":{"key":"../a","filename":"x"}}`, "experiment.key: holds a slash"},
		"no file name":               {`{"experiment":{"key":"a"}}`, "experiment.filename: missing"},
		"an option as file name":     {string(body(`,"filename":"-c"`)), "experiment.filename: begins with a dash"},
		"a module without name":      {string(body(`,"filename":"-m"`)), "experiment.args: the first names no module"},
		"args as text":               {string(body(`,"args":"x"`)), "experiment.args: not a list"},
		"an arg of another type":     {string(body(`,"args":["x",{}]`)), "experiment.args[1]: not a string"},
		"a zero byte in an arg":      {string(body(`,"args":["a\u0000"]`)), "experiment.args[0]: holds a zero byte"},
		"gpus below 0":               {string(body(`,"resources_needed":{"gpus":-1}`)), "experiment.resources_needed.gpus: not a whole number"},
		"half a card":                {string(body(`,"resources_needed":{"gpuCount":0.5}`)), "experiment.resources_needed.gpuCount: not a whole number"},
		"ram of no size":             {string(body(`,"resources_needed":{"ram":"much"}`)), "experiment.resources_needed.ram: not a size"},
		"ram below 0":                {string(body(`,"resources_needed":{"ram":-1}`)), "experiment.resources_needed.ram: not a size"},
		"duration of no form":        {string(body(`,"max_duration":"soon"`)), "experiment.max_duration: not a duration"},
		"duration below 0":           {string(body(`,"max_duration":"-1h"`)), "experiment.max_duration: not a duration"},
		"duration not a number":      {string(body(`,"max_duration":"nan"`)), "experiment.max_duration: not a duration"},
		"time out of range":          {string(body(`,"time_added":1e300`)), "experiment.time_added: not a time"},
		"a label with a path":        {string(body(`,"artifacts":{"../x":{}}`)), "experiment.artifacts: a label holds a slash"},
		"mutable of no boolean":      {string(body(`,"artifacts":{"a":{"mutable":"perhaps"}}`)), "experiment.artifacts.a.mutable: not a boolean"},
		"an option in a requirement": {string(body(`,"pythonenv":["a\n--index-url=x"]`)), "experiment.pythonenv[0]: holds a control character"},
		"an impossible variable":     {string(body(`|,"env":{"A=B":"x"}`)), "config.env: holds a name"},
		"a version with a path":      {string(body(`,"pythonver":"../x"`)), "experiment.pythonver: not a version"},
		"a password in an endpoint":  {string(body(`|,"storage":{"endpoint":"http://u:hunter2@h"}`)), "config.storage.endpoint: carries a user"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.body))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse = %v; want ErrMalformed with %q", err, tc.want)
			}
		})
	}
}

func TestEveryFaultIsNamedAtOnceWithoutAnyValue(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte(`{"experiment":{"key":"hunter2/","resources_needed":{"ram":"hunter2","cpus":"hunter2"}},"config":{"experimentLifetime":"hunter2"}}`))
	for _, field := range []string{"experiment.key", "experiment.filename", "resources_needed.ram", "resources_needed.cpus", "config.experimentLifetime"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Parse = %v; want %s in it", err, field)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats a value: %v", err)
	}
}

func TestAnErrorStaysShortHoweverManyFaults(t *testing.T) {
	t.Parallel()
	_, err := Parse(body(`,"args":[` + strings.TrimSuffix(strings.Repeat("{},", 100_000), ",") + `]`))
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "99992 more") {
		t.Errorf("Parse = %.2000v", err)
	}
}

func TestRawKeepsTheExperimentAsSent(t *testing.T) {
	t.Parallel()
	const sent = `{"key":"a", "filename":"x", "info":{"n":1.50}, "author":null}`
	r, err := Parse([]byte(`{"experiment":` + sent + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Experiment.Raw) != sent {
		t.Errorf("Raw = %s", r.Experiment.Raw)
	}
}

func TestExpiredCountsFromTheTimeAdded(t *testing.T) {
	t.Parallel()
	r := parse(t, `,"time_added":1000|,"experimentLifetime":"30m"`)
	for second, want := range map[int64]bool{1000: false, 2800: false, 2801: true} {
		if got := r.Expired(time.Unix(second, 0)); got != want {
			t.Errorf("Expired(%d) = %t", second, got)
		}
	}
	if parse(t, `,"time_added":1000`).Expired(time.Now()) || parse(t, `|,"experimentLifetime":"1s"`).Expired(time.Now()) {
		t.Error("a request without lifetime or time_added expired")
	}
}

func TestResourcesOfAHeader(t *testing.T) {
	t.Parallel()
	got, err := ParseResources(json.RawMessage(`{"cpus": 1, "gpus": 1, "hdd": "3gb", "ram": "2gb", "gpuMem": "4gb"}`))
	if want := (Resources{CPUs: 1, GPUs: 1, HDD: 3e9, RAM: 2e9, GPUMem: 4e9}); err != nil || got != want {
		t.Errorf("ParseResources = %+v, %v", got, err)
	}
	for _, nothing := range []json.RawMessage{nil, json.RawMessage("null"), json.RawMessage("{}")} {
		if got, err := ParseResources(nothing); err != nil || got != (Resources{}) {
			t.Errorf("ParseResources(%s) = %+v, %v", nothing, got, err)
		}
	}
	if _, err := ParseResources(json.RawMessage(`{"ram":[]}`)); !errors.Is(err, ErrMalformed) {
		t.Errorf("ParseResources = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(body(`,"artifacts":{"a":{"qualified":"s3://h:1/b/k","mutable":true}},"args":["'x'"],"time_added":1.5|,"storage":{"bucket":"bkt"}`))
	f.Add([]byte(`{"experiment":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("Parse = %v", err)
			}
			return
		}
		if ValidKey(r.Experiment.Key) != nil || r.Experiment.MaxDuration < 0 || r.Experiment.Resources.RAM < 0 {
			t.Fatalf("accepted %+v", r.Experiment.Resources)
		}
		for _, a := range r.Experiment.Artifacts {
			_, _ = a.Object(r.Config.Storage)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := body(`,"args":["--lr=0.1"],"pythonenv":[` + strings.TrimSuffix(strings.Repeat(`"package==1.2.3",`, 150), ",") + `],` +
		`"resources_needed":{"gpus":1,"ram":"2gb"},"artifacts":{"workspace":{"qualified":"s3://h:1/b/k"},"modeldir":{"mutable":true}}`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
