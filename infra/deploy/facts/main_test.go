package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const described = `{"project": "my-project", "region": "europe-west4", "name": "studio", "registry": "europe-west4-docker.pkg.dev/p/studio", "cluster": "studio",
	"signing_key": "gcpkms://projects/p/locations/europe-west4/keyRings/studio-20261124000000/cryptoKeys/images",
	"workers": {"relay": "studio-relay-worker"}, "pools": [{"name": "cpu", "kind": "gke"}, {"name": "gpu-l4", "kind": "gke", "gpus": 1}, {"name": "small", "kind": "run-job"}]}`

func facts(t *testing.T, text string) (string, error) {
	t.Helper()
	file, folder := filepath.Join(t.TempDir(), "deployment.json"), filepath.Join(t.TempDir(), "rollout")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, run([]string{file, folder})
}

func TestEachFactIsAFile(t *testing.T) {
	t.Parallel()
	folder, err := facts(t, described)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"project": "my-project\n", "region": "europe-west4\n", "cluster": "studio\n", "pools": "cpu\ngpu-l4\n", "jobs": "small\n", "workers": "studio-relay-worker\n",
		"signing_key": "gcpkms://projects/p/locations/europe-west4/keyRings/studio-20261124000000/cryptoKeys/images\n",
	} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestADeploymentWithoutAFactIsRefused(t *testing.T) {
	t.Parallel()
	for _, change := range [][3]string{
		{`"signing_key"`, `"key"`, `signing_key is ""`},
		{`"kind": "run-job"`, `"kind": "vm"`, `pool small is of the kind "vm"`},
		{`"gpu-l4"`, `"$(reboot)"`, `pools is "$(reboot)"`},
		{`"relay":`, `"finalize":`, `studio-relay-worker is a worker of the function "finalize"`},
		{`"cluster": "studio"`, `"cluster": "--all"`, `cluster is "--all"`},
		{`{"project"`, `{"project`, "read the deployment"},
	} {
		if _, err := facts(t, strings.Replace(described, change[0], change[1], 1)); err == nil || !strings.Contains(err.Error(), change[2]) {
			t.Errorf("%s: %v, want %s", change[1], err, change[2])
		}
	}
	if err := run([]string{"none.json"}); err == nil {
		t.Error("one argument is enough")
	}
}
