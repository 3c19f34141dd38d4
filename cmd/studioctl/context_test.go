package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
)

// user is somebody with a home of their own.
type user struct {
	t   *testing.T
	env map[string]string
}

func newUser(t *testing.T, env map[string]string) user {
	t.Helper()
	u := user{t: t, env: map[string]string{"HOME": t.TempDir()}}
	maps.Copy(u.env, env)
	return u
}

func (u user) run(args ...string) (code int, out, errOut string) {
	u.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(u.t.Context(), args, envconfig.MapLookuper(u.env), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs what is to succeed.
func (u user) must(args ...string) string {
	u.t.Helper()
	code, out, errOut := u.run(args...)
	if code != 0 {
		u.t.Fatalf("studioctl %v = %d: %s", args, code, errOut)
	}
	return out
}

// shown is what `context show` says of a setting.
func (u user) shown(setting string, args ...string) (text, from string) {
	u.t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(u.must(append([]string{"context", "show", "--json"}, args...)...)), &all); err != nil {
		u.t.Fatal(err)
	}
	var v struct{ Value, From string }
	if all[setting] != nil {
		if err := json.Unmarshal(all[setting], &v); err != nil {
			u.t.Fatal(err)
		}
	}
	return v.Value, v.From
}

func with(env map[string]string, name, text string) map[string]string {
	env = maps.Clone(env)
	if name != "" {
		env[name] = text
	}
	return env
}

func TestFlagsComeBeforeTheEnvironmentAndThatBeforeTheContexts(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	for _, name := range []string{"one", "two"} {
		u.must("context", "set", name, "--project", name+"-p", "--store", name+"-s", "--metadata", name+"-m")
	}
	u.must("context", "use", "one")
	for name, tc := range map[string]struct {
		env        map[string]string
		args       []string
		text, from string
	}{
		"the context in use":         {text: "one-s", from: "context one"},
		"the one that is named":      {args: []string{"--context", "two"}, text: "two-s", from: "context two"},
		"the one of the environment": {env: map[string]string{"STUDIOCTL_CONTEXT": "two"}, text: "two-s", from: "context two"},
		"the flag before that": {
			env: map[string]string{"STUDIOCTL_CONTEXT": "two"}, args: []string{"--context", "one"}, text: "one-s", from: "context one",
		},
		"a variable": {env: map[string]string{"STUDIO_STORE": "v"}, args: []string{"--context", "two"}, text: "v", from: "STUDIO_STORE"},
		"a flag":     {env: map[string]string{"STUDIO_STORE": "v"}, args: []string{"--store", "f"}, text: "f", from: "--store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := maps.Clone(u.env)
			maps.Copy(env, tc.env)
			if text, from := (user{t, env}).shown("store", tc.args...); text != tc.text || from != tc.from {
				t.Errorf("store = %q from %q; want %q from %q", text, from, tc.text, tc.from)
			}
		})
	}
}

func TestContextsAreKeptForTheirOwnerOnlyAndShowNoPassword(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	u.must("context", "set", "team", "--project", "p", "--store", "s", "--metadata", "m", "--amqp-url", "amqp://me:hunter2@broker:5672/%2f?heartbeat=5")
	path := filepath.Join(u.env["HOME"], ".config", "studioctl", "config.yaml")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%s: mode %v, %v; want 0600", path, info.Mode(), err)
	}
	out := u.must("context", "show", "team") + u.must("context", "show", "team", "--json") + u.must("context", "list")
	if strings.Contains(out, "hunter2") || !strings.Contains(out, "amqp://me:[redacted]@broker:5672/%2f") {
		t.Errorf("shown:\n%s", out)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	u.must("context", "set", "team", "--queue", "rmq_team")
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("after a change: mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestContextsAreMadeChangedUsedAndForgotten(t *testing.T) {
	t.Parallel()
	u := newUser(t, nil)
	u.must("context", "set", "team", "--project", "p", "--store", "s", "--metadata", "m", "--request-key", "~/key.pem", "--pools", "pools.json")
	here, err := filepath.Abs("pools.json")
	if err != nil {
		t.Fatal(err)
	}
	if key, _ := u.shown("request_key", "team"); key != filepath.Join(u.env["HOME"], "key.pem") {
		t.Errorf("request_key = %q", key)
	}
	if pools, _ := u.shown("pools", "team"); pools != here {
		t.Errorf("pools = %q, want %q", pools, here)
	}
	u.must("context", "set", "team", "--store", "other", "--pools", "")
	if store, _ := u.shown("store", "team"); store != "other" {
		t.Errorf("store = %q after the change", store)
	}
	if pools, _ := u.shown("pools", "team"); pools != "" {
		t.Errorf("pools = %q after their removal", pools)
	}
	u.must("context", "use", "team")
	if out := (user{t, with(u.env, "STUDIOCTL_CONTEXT", "local")}).must("context", "use", "team"); !strings.Contains(out, "once STUDIOCTL_CONTEXT is unset: it comes first, and names local") {
		t.Errorf("use says %q", out)
	}
	if list := u.must("context", "list"); !strings.Contains(list, "*  team") {
		t.Errorf("the list marks another:\n%s", list)
	}
	if out := u.must("context", "delete", "team"); !strings.Contains(out, "the local cloud now") {
		t.Errorf("delete says %q", out)
	}
	if list := u.must("context", "list"); strings.Contains(list, "team") || !strings.Contains(list, "*  local") {
		t.Errorf("after the deletion:\n%s", list)
	}
}

func TestFaultsOfContextsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file string
		env  map[string]string
		args []string
		code int
		says string
	}{
		"no such context":             {args: []string{"ps", "--context", "nowhere"}, code: 1, says: `there is no context "nowhere", but local: make it with`},
		"local is built in":           {args: []string{"context", "set", "local", "--store", "s"}, code: 2, says: "is built in"},
		"local cannot be deleted":     {args: []string{"context", "delete", "local"}, code: 2, says: "is built in"},
		"local with other buckets":    {args: []string{"ps", "--context", "local", "--store", "s"}, code: 2, says: "leave out --project, --store and --metadata"},
		"nothing to set":              {args: []string{"context", "set", "x"}, code: 2, says: "give at least one flag"},
		"a name that is none":         {args: []string{"context", "set", "../x", "--store", "s"}, code: 2, says: "use letters, digits"},
		"two URLs":                    {args: []string{"context", "set", "x", "--amqp-url", "amqp://h", "--amqp-url-env", "E"}, code: 2, says: "given more than once"},
		"a URL that is none":          {args: []string{"context", "set", "x", "--amqp-url", "hunter2"}, code: 2, says: "it looks like amqp://"},
		"a queue that nobody reads":   {args: []string{"context", "set", "x", "--queue", "mine"}, code: 2, says: "queues begin with rmq_"},
		"a misspelt setting":          {file: "contexts: {x: {stroe: s}}", args: []string{"ps"}, code: 1, says: "contexts.x.stroe: there is no such setting"},
		"a file that is no YAML":      {file: "contexts: [", args: []string{"ps"}, code: 1, says: "correct it, or remove it"},
		"a context without buckets":   {file: "contexts: {x: {project: p}}", args: []string{"ps", "--context", "x"}, code: 1, says: `complete the context "x"`},
		"the URL's variable is unset": {file: full("amqp_url_env: TEAM_AMQP"), args: []string{"submit", "context_test.go"}, code: 1, says: "the variable TEAM_AMQP"},
		"the URL's file is missing":   {file: full("amqp_url_file: /nonexistent/amqp"), args: []string{"submit", "context_test.go"}, code: 1, says: "/nonexistent/amqp"},
		"no URL":                      {file: full(""), args: []string{"submit", "context_test.go"}, code: 1, says: "nothing says where RabbitMQ is: set AMQP_URL"},
		"a local cloud that was killed": {
			env: map[string]string{"XDG_STATE_HOME": "testdata/killed"}, args: []string{"ps"}, code: 1, says: "was killed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, tc.env)
			if tc.file != "" {
				dir := filepath.Join(u.env["HOME"], ".config", "studioctl")
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(tc.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, _, errOut := u.run(tc.args...)
			if code != tc.code || !strings.Contains(errOut, tc.says) || strings.Contains(errOut, "hunter2") {
				t.Errorf("studioctl %v = %d, %q; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
			}
		})
	}
}

// full is a file with a context in use that has all but RabbitMQ's URL.
func full(more string) string {
	return "current: x\ncontexts:\n  x:\n    project: p\n    store: s\n    metadata: m\n    " + more + "\n"
}

func TestRabbitMQsURLComesFromWhereTheContextSays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "amqp")
	if err := os.WriteFile(file, []byte("amqp://from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		set  []string
		want string
	}{
		"itself":             {set: []string{"--amqp-url", "amqp://itself"}, want: "amqp://itself"},
		"a variable":         {set: []string{"--amqp-url-env", "TEAM"}, env: map[string]string{"TEAM": "amqp://from-env"}, want: "amqp://from-env"},
		"a file":             {set: []string{"--amqp-url-file", file}, want: "amqp://from-file"},
		"AMQP_URL before it": {set: []string{"--amqp-url-file", file}, env: map[string]string{"AMQP_URL": "amqp://standard"}, want: "amqp://standard"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, tc.env)
			u.must(append([]string{"context", "set", "x", "--project", "p", "--store", "s", "--metadata", "m"}, tc.set...)...)
			a := &app{env: envconfig.MapLookuper(u.env), target: targetFlags{context: "x"}}
			to, err := a.deployment()
			if err != nil {
				t.Fatal(err)
			}
			if to, err = a.dialable(to); err != nil || to.AMQPURL != tc.want {
				t.Errorf("URL = %q, %v; want %q", to.AMQPURL, err, tc.want)
			}
		})
	}
}
