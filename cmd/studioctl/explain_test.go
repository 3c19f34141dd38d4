package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/explain"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// site is a user who has the two files of a cluster, and keys for its sealed queues.
type site struct {
	user
	dir string
}

// golden holds the keys of a cluster, made as its owner makes them.
const golden = "../../pkg/envelope/testdata/golden/"

func newSite(t *testing.T) site {
	t.Helper()
	s := site{user: newUser(t, nil), dir: t.TempDir()}
	signing, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	openssh, err := signing.MarshalPEM(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.write("pools.json", `[{"name":"cpu","kind":"run-job","cpus":4,"ram":"16gb","hdd":"20gb"},
		{"name":"gpu","kind":"gke","gpus":1,"gpu_slots":4,"gpu_mem":"16gb","cpus":3,"ram":"12gb","hdd":"100gb"}]`)
	s.write("tenants.json", `{"tenants":[{"prefix":"rmq_","store":"open-store","metadata":"open-metadata"},
		{"prefix":"rmq_lab","store":"lab-store","metadata":"lab-metadata","signing_keys":["`+signing.Public().AuthorizedLine("")+`"]}]}`)
	s.write("signing", string(openssh))
	s.write("train.py", "print('hello')")
	s.write("requirements.txt", "numpy==2.0.1\n")
	return s
}

func (s site) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// explain explains a file of the site's folder.
func (s site) explain(file string, args ...string) (code int, r explain.Report, text string) {
	s.t.Helper()
	all := append([]string{"explain", filepath.Join(s.dir, file), "--pools", filepath.Join(s.dir, "pools.json"), "--tenants", filepath.Join(s.dir, "tenants.json")}, args...)
	code, text, errOut := s.run(all...)
	jsonCode, out, _ := s.run(append(all, "--json")...)
	if code != jsonCode {
		s.t.Errorf("exit code %d, and %d with --json: %s", code, jsonCode, errOut)
	}
	if code == 1 || code == 2 {
		return code, r, errOut
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatal(err)
	}
	return code, r, text
}

func TestExplainForetellsASubmission(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	keys := []string{"--request-key", golden + "request.pub.pem", "--signing-key", filepath.Join(s.dir, "signing")}
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"runs": {args: []string{"--clear-text", "--max-duration", "20m"}, says: []string{
			"It would run in the pool cpu", "rmq_, with artifacts in open-store", "none is needed", "3 with numpy==2.0.1", "max_duration 20m0s", "Workspace",
		}},
		"on a card": {args: []string{"--clear-text", "--gpus", "2", "--gpu-mem", "4gb"}, says: []string{
			"It would run in the pool gpu", "cpu cannot hold it: it asks for gpus 2, and a pod has 0", "gpu holds it, in 2 GPU slots on 1 card",
		}},
		"too many slots": {args: []string{"--clear-text", "--gpus", "64"}, code: 3, says: []string{
			"refused by the bridge: no_fit", "resources_needed.gpus asks for 64 and the largest pool for it, gpu, has 4", "a dead letter, and a Failed report",
		}},
		"clear where none is taken": {args: []string{"--clear-text=false"}, code: 3, says: []string{"refused by the bridge: clear_refused", "CLEAR_TEXT_MESSAGES"}},
		"clear where nobody says":   {code: 3, says: []string{"clear_refused", "Not known  whether the cluster takes requests in clear"}},
		"a queue of no work":        {args: []string{"--queue", "test"}, code: 3, says: []string{"It would never be read", "queues begin with rmq_"}},
		"clear into a sealed queue": {args: []string{"--clear-text", "--queue", "rmq_lab_1"}, code: 3, says: []string{"take sealed and signed requests only"}},
		"sealed":                    {args: append([]string{"--queue", "rmq_lab_1"}, keys...), says: []string{"It would run in the pool cpu", "made with a key that is registered for the prefix rmq_lab", "Not known"}},
		"sealed for no prefix":      {args: append([]string{"--queue", "rmq_x"}, keys...), code: 3, says: []string{"no_signing_key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, r, text := s.explain("train.py", tc.args...)
			if code != tc.code || r.Runs != (tc.code == 0) {
				t.Errorf("exit code %d, runs %t; want %d:\n%s", code, r.Runs, tc.code, text)
			}
			for _, part := range tc.says {
				if !strings.Contains(text, part) {
					t.Errorf("it does not say %q:\n%s", part, text)
				}
			}
		})
	}
}

func TestExplainReadsMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	inner := `{"experiment":{"key":"k1","filename":"a.py","artifacts":{"workspace":{"bucket":"lab-store","key":"w.tar"}}},"config":{"storage":{"type":"gs"}}}`
	private, err := os.ReadFile(filepath.Join(s.dir, "signing"))
	if err != nil {
		t.Fatal(err)
	}
	sign, err := envelope.ParseSigningKey(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(golden + "request.pub.pem")
	if err != nil {
		t.Fatal(err)
	}
	to, err := envelope.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	named := strings.Replace(inner, `{"type":"gs"}`, `{"bucket":"lab-store"},"database":{"bucket":"lab-metadata"}`, 1)
	sealed, err := envelope.New(envelope.Header{}, []byte(named), to, sign)
	if err != nil {
		t.Fatal(err)
	}
	s.write("sealed.json", string(sealed))
	if code, r, text := s.explain("sealed.json", "--queue", "rmq_lab_1"); code != 0 || r.Experiment != nil || !strings.Contains(text, "only the cluster's private key opens it") {
		t.Errorf("without the private key = %d:\n%s", code, text)
	}
	key := []string{"--queue", "rmq_lab_1", "--private-key", golden + "request.pem", "--passphrase-file", golden + "passphrase"}
	if code, r, text := s.explain("sealed.json", key...); code != 0 || r.Experiment == nil || r.Experiment.Key != "k1" {
		t.Errorf("with the private key = %d:\n%s", code, text)
	}
	s.write("clear.json", inner)
	if code, r, text := s.explain("clear.json", "--queue", "rmq_x", "--clear-text"); code != 3 || r.Refusal.Outcome != "refused" || !strings.Contains(text, "The artifact workspace is refused") {
		t.Errorf("an artifact of others = %d:\n%s", code, text)
	}
	s.write("empty.json", "\n")
	if code, _, text := s.explain("empty.json"); code != 2 || !strings.Contains(text, "the message is empty") {
		t.Errorf("an empty message = %d: %s", code, text)
	}
}

func TestSecretsAndMessagesCanComeFromStandardInput(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	type from struct{ in, says string }
	for args, tc := range map[string]from{
		"context set team --store s --metadata m --amqp-url -":                                         {"amqp://me:hunter2@broker/\n", "Made the context team"},
		"explain - --clear-text --pools " + s.dir + "/pools.json --tenants " + s.dir + "/tenants.json": {"not JSON", "bridge: malformed"},
	} {
		var out bytes.Buffer
		root := newRoot(&app{env: envconfig.MapLookuper(s.env), out: &out, errOut: &out})
		root.SetArgs(strings.Fields(args))
		root.SetIn(strings.NewReader(tc.in))
		_ = root.ExecuteContext(t.Context()) // what it says is looked at
		if !strings.Contains(out.String(), tc.says) {
			t.Errorf("studioctl %s: %s", args, out.String())
		}
	}
	if text, _ := s.shown("amqp_url", "team"); text != "amqp://me:[redacted]@broker/" {
		t.Errorf("amqp_url = %q", text)
	}
}

func TestExplainSaysWhichFilesItNeeds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must("context", "set", "team", "--project", "p", "--store", "open-store", "--metadata", "open-metadata", "--clear-text", "true")
	code, _, errOut := s.run("explain", filepath.Join(s.dir, "train.py"), "--context", "team")
	if code != 1 || !strings.Contains(errOut, "`studioctl context set`") {
		t.Errorf("without the files = %d: %s", code, errOut)
	}
	s.must("context", "set", "team", "--pools", filepath.Join(s.dir, "pools.json"), "--tenants", filepath.Join(s.dir, "tenants.json"))
	if out := s.must("explain", filepath.Join(s.dir, "train.py"), "--context", "team"); !strings.Contains(out, "It would run in the pool cpu") {
		t.Errorf("with the context's files:\n%s", out)
	}
}
