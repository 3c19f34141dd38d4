package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const example = "../example/deployment.json"

func TestAPoolOfAnotherKindHasNoOverlay(t *testing.T) {
	t.Parallel()
	text := read(t, example)
	files := render(t, strings.Replace(text, `"name": "cpu", "kind": "gke"`, `"name": "cpu", "kind": "run-job"`, 1), "r/executor:1")
	if files["cpu/kustomization.yaml"] != nil || files["gpu-t4/kustomization.yaml"] == nil {
		t.Error("the overlays are not those of the pools on GKE")
	}
}

func TestTheImageIsTakenByDigest(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0a", 32)
	text := string(render(t, read(t, example), "host:5000/r/executor@"+digest)["gpu-t4/kustomization.yaml"])
	for _, want := range []string{"newName: host:5000/r/executor\n", "digest: " + digest} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestAPoolHasNoMorePodsThanNodes(t *testing.T) {
	t.Parallel()
	files := render(t, read(t, example), "r/executor:1")
	if !bytes.Contains(files["gpu-t4/kustomization.yaml"], []byte("maxReplicaCount: 8")) {
		t.Error("the scaler may start more pods than there may be nodes")
	}
}

func TestADeploymentAtFaultIsRefusedWithAllItsFaults(t *testing.T) {
	t.Parallel()
	text := read(t, example)
	for _, change := range [][2]string{{`"example-project",`, `"",`}, {`"cpus": 3`, `"cpus": 0`}} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the example has no %s", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	_, err := parse([]byte(text))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"project is missing", "pools[0].cpus"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}

func TestTheFolderIsReplaced(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "overlays")
	old := filepath.Join(folder, "gone", "kustomization.yaml")
	if err := write(folder, map[string][]byte{"gone/kustomization.yaml": nil}); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{example, folder}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("a pool that is no more still has its overlay")
	}
	if text := read(t, filepath.Join(folder, "cpu", "kustomization.yaml")); !strings.Contains(text, "newTag: latest") {
		t.Errorf("without an image: %s", text)
	}
	for _, args := range [][]string{{}, {example}, {"none.json", folder}, {"-no-such-flag"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("run %v did well", args)
		}
	}
}

func render(t *testing.T, text, image string) map[string][]byte {
	t.Helper()
	d, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	files, err := d.overlays(image)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
