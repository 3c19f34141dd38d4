//go:build integration

package path_test

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

//go:embed hunt.py
var hunter string

// An experiment is foreign code. What it can read as its own user, on the machine of an executor that has just decrypted its
// request, holds none of the cluster's secrets and nothing of the request that is not the program's. So that the hunt is known to find
// what there is, it has to find what was planted: in a file that anyone may read, and in a process of its own user.
func TestAnExperimentFindsNoSecretOfTheCluster(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("the executor needs root, to run experiments as their own user: run this test as root")
	}
	began := time.Now()
	s := setup(t, map[string]string{"LOG_LEVEL": "DEBUG"})
	secrets, planted := s.secrets(t), uuid.NewString()
	plant := filepath.Join(t.TempDir(), "planted")
	openPath(t, filepath.Dir(plant))
	if err := os.WriteFile(plant, []byte("a secret: "+planted), 0o644); err != nil { // it has to be found
		t.Fatal(err)
	}
	sub := submission(t, "", hunter)
	sub.MaxDuration, sub.Resources = patience, map[string]any{"cpus": 1, "gpus": 0, "ram": "512mb", "hdd": "64mb"}
	writeHunt(t, sub.Folder, map[string]any{
		"needles": scrambled(secrets, planted), "control": scramble(planted), "began": float64(began.Unix()), "root": filepath.Dir(s.cloud.LogDir), "paths": s.files(t),
	})
	key := s.submitSecretly(t, sub, secrets)
	output := s.completed(t, key)
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "FOUND") && !strings.HasPrefix(line, "FOUND planted ") {
			t.Errorf("the program %s", line)
		}
	}
	for _, where := range []string{plant, `/proc/\d+/environ`, `/proc/\d+/mem`} {
		if !regexp.MustCompile(`(?m)^FOUND planted in ` + where + `$`).MatchString(output) {
			t.Errorf("the hunt did not find what was planted in %s", where)
		}
	}
	if !regexp.MustCompile(`(?m)^HUNTED files=[1-9].* processes=[1-9]\d`).MatchString(output) {
		t.Errorf("the hunt did not look around; output:\n%s", output)
	}
	if at := strings.Index(output, "HUNTED"); at >= 0 {
		t.Log(output[at : at+strings.IndexByte(output[at:], '\n')])
	}
	s.expectNoneLogged(t, key, secrets)
}

// secrets are what no experiment and no log may show, by their names. Of key files it is a line from the middle.
func (s *studio) secrets(t *testing.T) map[string]string {
	t.Helper()
	broker, err := url.Parse(s.cloud.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"amqp-login": broker.User.String() + "@" + broker.Host, "slack-destination": "slack-" + uuid.NewString(), "credential": "credential-" + uuid.NewString(),
	}
	for name, file := range map[string]string{
		"request-key": s.cloud.RequestPrivateKey, "passphrase": s.cloud.PassphraseFile, "report-key": s.cloud.ReportKey,
		"signing-key": s.cloud.SigningKey, "other-signing-key": s.cloud.OtherSigningKey,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		all[name] = lines[len(lines)*2/3] // behind what all keys of a format have in common
	}
	for name, secret := range all {
		if len(secret) < 5 {
			t.Fatalf("%s is too short to be hunted for", name)
		}
	}
	return all
}

func scramble(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= 0x5A
	}
	return hex.EncodeToString(b)
}

func scrambled(secrets map[string]string, planted string) map[string]string {
	all := map[string]string{"planted": scramble(planted)}
	for name, secret := range secrets {
		all[name] = scramble(secret)
	}
	return all
}

// openPath lets other users through to a folder of this test, up to the temporary folder itself.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()) && strings.HasPrefix(dir, os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // it has to be found
			t.Fatal(err)
		}
	}
}

func writeHunt(t *testing.T, folder string, hunt map[string]any) {
	t.Helper()
	text, err := json.Marshal(hunt)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "hunt.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files are all that the cloud has: whoever knows the names need not list the folders.
func (s *studio) files(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(s.cloud.LogDir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return nil // what is gone meanwhile is no secret
	})
	if err != nil || len(paths) < 10 {
		t.Fatalf("the cloud's files: %d, %v", len(paths), err)
	}
	return paths
}

// submitSecretly seals a request that has secrets in it which are not the program's: a place for messages, and credentials.
func (s *studio) submitSecretly(t *testing.T, sub client.Submission, secrets map[string]string) (key string) {
	t.Helper()
	submitted, body := s.hold(t, sub)
	var request struct {
		Experiment map[string]any `json:"experiment"`
		Config     map[string]any `json:"config"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatal(err)
	}
	request.Config["runner"] = map[string]any{"slack_destination": secrets["slack-destination"]}
	artifacts, _ := request.Experiment["artifacts"].(map[string]any)
	workspace, ok := artifacts["workspace"].(map[string]any)
	if !ok {
		t.Fatalf("the request has no workspace: %s", body)
	}
	workspace["credentials"] = map[string]any{"aws": map[string]any{"access_key": "id", "secret_access_key": secrets["credential"]}}
	inner, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	seal := s.seal(t, sub).Seal
	resources, err := json.Marshal(request.Experiment["resources_needed"])
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := envelope.New(envelope.Header{Status: "waiting", Resources: resources}, inner, seal.To, seal.Sign)
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, s.cloud.SealedQueue, sealed)
	return submitted.Key
}

// expectNoneLogged looks through what every program has logged, at the level DEBUG.
func (s *studio) expectNoneLogged(t *testing.T, key string, secrets map[string]string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.cloud.LogDir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told = told || strings.Contains(string(text), key)
		for name, secret := range secrets {
			if at := strings.Index(string(text), secret); at >= 0 {
				t.Errorf("%s shows the %s: …%s", filepath.Base(file), name, fmt.Sprintf("%.60q", text[max(0, at-40):at]))
			}
		}
	}
	if !told {
		t.Errorf("no log of %d tells of %s", len(logs), key)
	}
}
