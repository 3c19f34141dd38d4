// Package deploy tests the scripts of cloudbuild.yaml against stand-ins of gcloud and kubectl.
package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// service, object and cloud are testdata/fake's.
type service struct {
	Image     string
	Latest    bool
	Revision  string
	Revisions map[string]string
	Split     bool
	Worker    bool
}

type object struct {
	Image    string
	Replicas int
}

type cloud struct {
	Services      map[string]*service
	Jobs          map[string]string
	Objects       map[string]*object
	Calls, FailAt int
	After         bool
	Broken, Relay string
	Scaler        string
	Attempts      int
	Asked, Faults []string
}

const (
	old   = "registry/image@sha256:old"
	fresh = "registry/image@sha256:new"
)

// deployed is a deployment that was rolled out before, with executors at work in one of two pools. The other is new.
func deployed() cloud {
	c := cloud{Services: map[string]*service{}, Jobs: map[string]string{"studio-small": old}, Objects: map[string]*object{}, Scaler: "True Happy Happy"}
	for _, name := range []string{"relay", "report", "finalize"} {
		name = "studio-" + name
		c.Services[name] = &service{Image: old, Latest: true, Revision: name + "-2", Revisions: map[string]string{name + "-1": "placeholder", name + "-2": old}}
	}
	for _, kind := range []string{"scaledobject", "deployment", "poddisruptionbudget"} {
		c.Objects[kind+"/executor-cpu"] = &object{Image: old}
	}
	c.Objects["deployment/executor-cpu"].Replicas = 3
	return c
}

// pinned is one whose owner sent a function's traffic to an earlier revision.
func pinned() cloud {
	c := deployed()
	c.Services["studio-relay"].Latest, c.Services["studio-relay"].Revision = false, "studio-relay-1"
	return c
}

// working is one with the bridge as a worker.
func working() cloud {
	c := deployed()
	const name = "studio-relay-worker"
	c.Services[name] = &service{Image: old, Latest: true, Revision: name + "-1", Revisions: map[string]string{name + "-1": old}, Worker: true}
	c.Relay = "13" // nobody calls the service
	return c
}

// applied is one that Terraform made a moment ago.
func applied() cloud {
	c := deployed()
	for name, s := range c.Services {
		*s = service{Image: "placeholder", Latest: true, Revision: name + "-1", Revisions: map[string]string{name + "-1": "placeholder"}}
	}
	c.Jobs["studio-small"], c.Objects = "placeholder", map[string]*object{}
	return c
}

// shown is what a deployment does: names of revisions do not matter.
func (c cloud) shown() string {
	var lines []string
	for name, s := range c.Services {
		lines = append(lines, fmt.Sprintf("%s: next %s, serves %s, latest %t", name, s.Image, s.Revisions[s.Revision], s.Latest))
	}
	for name, image := range c.Jobs {
		lines = append(lines, name+": "+image)
	}
	for name, o := range c.Objects {
		lines = append(lines, fmt.Sprintf("%s: %s, %d replicas", name, o.Image, o.Replicas))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// back is what there is once a rollout was taken back: what was, but that executors which were told to leave do so. It begins with
// those that are there and ends with the scaler's.
func back(c, was cloud) string {
	d := was.Objects["deployment/executor-cpu"]
	if now := c.Objects["deployment/executor-cpu"]; d != nil && now != nil && now.Replicas == 0 {
		d.Replicas = 0
	}
	return was.shown()
}

// rolled is what there is after a rollout.
func rolled(c cloud) cloud {
	for name, s := range c.Services {
		*s = service{Image: fresh, Latest: true, Revision: name, Revisions: map[string]string{name: fresh}, Worker: s.Worker}
	}
	c.Jobs["studio-small"] = fresh
	for _, pool := range []string{"cpu", "gpu-l4"} {
		for _, kind := range []string{"scaledobject", "deployment", "poddisruptionbudget"} {
			c.Objects[kind+"/executor-"+pool] = &object{Image: fresh}
		}
	}
	return c
}

// bench is a folder in which roll runs.
type bench struct{ folder, bin, roll string }

func newBench(t *testing.T, bin string) bench {
	t.Helper()
	roll, err := filepath.Abs("roll")
	if err != nil {
		t.Fatal(err)
	}
	depends(t, roll)
	b := bench{t.TempDir(), bin, roll}
	for name, text := range map[string]string{
		"rollout/project": "p\n", "rollout/region": "europe-west4\n", "rollout/name": "studio\n", "rollout/cluster": "studio\n", "rollout/pools": "cpu\ngpu-l4\n", "rollout/jobs": "small\n", "rollout/workers": "",
		"images/executor.ref": fresh, "images/bridge.ref": fresh, "images/finalize.ref": fresh,
		"infra/kubernetes/overlays/cpu/image": fresh, "infra/kubernetes/overlays/gpu-l4/image": fresh,
		"bin/studioctl": "#!/bin/sh\nprintf 'pass      %s: well\\n' 'function relay' 'function report' 'function finalize' scheduler 'pubsub x'\n",
	} {
		b.write(t, name, text)
	}
	return b
}

func (b bench) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(b.folder, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// steps runs roll until a step fails, and returns what it printed and whether one did.
func (b bench) steps(t *testing.T, c *cloud, steps ...string) (printed string, err error) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "state", string(text))
	for name, s := range c.Services {
		if s.Worker {
			b.write(t, "rollout/workers", name+"\n")
		}
	}
	for _, step := range steps {
		cmd := exec.CommandContext(t.Context(), "bash", b.roll, step)
		cmd.Dir, cmd.Env = b.folder, []string{"PATH=" + b.bin + ":" + os.Getenv("PATH"), "FAKE=" + filepath.Join(b.folder, "state"), "PAUSE=0"}
		out, runErr := cmd.CombinedOutput()
		printed += string(out)
		if err = runErr; err != nil {
			break
		}
	}
	*c = cloud{}
	state, readErr := os.ReadFile(filepath.Join(b.folder, "state"))
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err := json.Unmarshal(state, c); err != nil {
		t.Fatal(err)
	}
	if len(c.Faults) > 0 {
		t.Errorf("what must not be:\n%s", strings.Join(c.Faults, "\n"))
	}
	return printed, err
}

var all = []string{"ready", "candidates", "executors", "traffic", "smoke"}

// depends opens what other programs read: Go takes the result of an earlier run for files that the test itself has not opened.
func depends(t *testing.T, file string) {
	t.Helper()
	if _, err := os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
}

// fakes builds gcloud and kubectl.
func fakes(t *testing.T) string {
	t.Helper()
	depends(t, "testdata/fake/main.go")
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "gcloud"), "./testdata/fake").CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v: %s", err, out)
	}
	if err := os.Symlink("gcloud", filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	return bin
}

var starts = map[string]func() cloud{"a rollout before": deployed, "pinned by hand": pinned, "the first rollout": applied, "a worker": working}

func TestARolloutReplacesEverythingOnceExecutorsDrain(t *testing.T) {
	t.Parallel()
	bin := fakes(t)
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start()
			if printed, err := newBench(t, bin).steps(t, &c, all...); err != nil || c.shown() != rolled(start()).shown() {
				t.Errorf("%v\n%s\ngot\n%s\nwant\n%s", err, printed, c.shown(), rolled(start()).shown())
			}
		})
	}
}

// Whichever call fails, before it did anything or after, the deployment is what it was.
func TestAFailureAtAnyCallTakesEverythingBack(t *testing.T) {
	t.Parallel()
	bin := fakes(t)
	for name, start := range starts {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", done: ", after), func(t *testing.T) {
				t.Parallel()
				for call := 1; ; call++ {
					c := start()
					c.FailAt, c.After = call, after
					printed, err := newBench(t, bin).steps(t, &c, all...)
					if err == nil {
						if call < 30 || c.shown() != rolled(start()).shown() {
							t.Errorf("call %d failed, and nothing did:\n%s", call, printed)
						}
						return
					}
					if want := back(c, start()); c.shown() != want {
						t.Fatalf("after call %d failed:\n%s\ngot\n%s\nwant\n%s", call, printed, c.shown(), want)
					}
				}
			})
		}
	}
}

// What takes back is tried again.
func TestWhatIsNotWellGoesBackEvenIfACallFailsOnTheWay(t *testing.T) {
	t.Parallel()
	bin := fakes(t)
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for failing := 1; ; failing++ {
				b, c := newBench(t, bin), start()
				if printed, err := b.steps(t, &c, all[:4]...); err != nil {
					t.Fatalf("%v: %s", err, printed)
				}
				b.write(t, "bin/studioctl", "#!/bin/sh\necho 'fail      pubsub x: no'; exit 1\n")
				looks := 5 // at the scheduler and the scalers
				if name == "a worker" {
					looks = 3
				}
				c.FailAt = c.Calls + looks + failing
				printed, err := b.steps(t, &c, "smoke")
				if want := back(c, start()); err == nil || c.shown() != want {
					t.Fatalf("call %d: %v\n%s\ngot\n%s\nwant\n%s", failing, err, printed, c.shown(), want)
				}
				if c.Calls < c.FailAt {
					return
				}
			}
		})
	}
}

func TestWhatIsFoundBadGoesBack(t *testing.T) {
	t.Parallel()
	bin := fakes(t)
	for name, tc := range map[string]struct {
		ill  func(*cloud)
		says string
		want string
	}{
		"a revision that does not start":   {func(c *cloud) { c.Broken = fresh }, "", "candidates failed"},
		"a relay that does not answer":     {func(c *cloud) { c.Relay = "13" }, "", "the last status is 13"},
		"a scaler that is not taken up":    {func(c *cloud) { c.Scaler = "False" }, "", "the scaler executor-cpu does not work (False)"},
		"a source that a scaler lacks":     {func(c *cloud) { c.Scaler = "True Happy Failing" }, "", "does not work (True Happy Failing)"},
		"a function that is not well":      {nil, "fail      function relay: no", "could not see whether all is well with: function relay"},
		"a scheduler that cannot be asked": {nil, "not here  scheduler: no rights", "could not see"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := newBench(t, bin), deployed()
			if tc.ill != nil {
				tc.ill(&c)
			}
			if tc.says != "" {
				b.write(t, "bin/studioctl", "#!/bin/sh\necho '"+tc.says+"'\n")
			}
			printed, err := b.steps(t, &c, all...)
			if err == nil || !strings.Contains(printed, tc.want) || c.shown() != back(c, deployed()) {
				t.Errorf("%v\n%s\ngot\n%s", err, printed, c.shown())
			}
		})
	}
}

func TestADeploymentThatCannotGoBackIsNotTouched(t *testing.T) {
	t.Parallel()
	c := deployed()
	c.Services["studio-report"].Split = true
	if printed, err := newBench(t, fakes(t)).steps(t, &c, "ready"); err == nil || !strings.Contains(printed, "no revision of studio-report has all of it") {
		t.Errorf("%v: %s", err, printed)
	}
}

func TestExecutorsOfAPoolThatIsGoneAreNamedAndLeft(t *testing.T) {
	t.Parallel()
	c := deployed()
	c.Objects["deployment/executor-gone"] = &object{Image: old, Replicas: 2}
	printed, err := newBench(t, fakes(t)).steps(t, &c, all...)
	if err != nil || !strings.Contains(printed, "the pool gone is gone") || *c.Objects["deployment/executor-gone"] != (object{Image: old, Replicas: 2}) {
		t.Errorf("%v: %s", err, printed)
	}
}

// The account may do in the cluster what roll does, and nothing else.
func TestTheRoleIsWhatRollAsksFor(t *testing.T) {
	t.Parallel()
	kinds, verbs, bin := map[string]bool{}, map[string]bool{}, fakes(t)
	for _, start := range starts {
		b, c := newBench(t, bin), start()
		b.write(t, "bin/studioctl", "#!/bin/sh\nexit 1\n")
		if _, err := b.steps(t, &c, all...); err == nil {
			t.Fatal("smoke went well")
		}
		for _, asked := range c.Asked {
			verb, kind, _ := strings.Cut(asked, " ")
			kinds[kind+"s"], verbs[verb] = true, true
		}
	}
	text, err := os.ReadFile("../terraform/modules/cluster/build.tf")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`for group, resource in \{(.*)\} :\s+\{ apiGroups = \[group\], resources = \[resource\], verbs = \[(.*)\] \}`).FindStringSubmatch(string(text))
	if rules == nil {
		t.Fatal("the role's rules are written otherwise")
	}
	for i, want := range []map[string]bool{kinds, verbs} {
		var granted []string
		for _, m := range regexp.MustCompile(`(?:^|[=,] )"([a-z]+)"`).FindAllStringSubmatch(rules[i+1], -1) {
			granted = append(granted, m[1])
		}
		slices.Sort(granted)
		if asked := slices.Sorted(maps.Keys(want)); !slices.Equal(granted, asked) {
			t.Errorf("granted %v, asked for %v", granted, asked)
		}
	}
}
