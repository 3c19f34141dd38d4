//go:build apiserver

package apiserver_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/release"
	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

const (
	builder = "build@a-project.iam.gserviceaccount.com" // of the module's test
	rolled  = "executor-gpu-t4"
)

// rollout runs infra/deploy/roll with the real kubectl against the real server, as Cloud Build's account.
type rollout struct {
	t      *testing.T
	folder string
	admin  client.Client
}

func newRollout(t *testing.T) *rollout {
	t.Helper()
	cfg := server(t)
	r := &rollout{t: t, folder: t.TempDir(), admin: connect(t, cfg)}
	store(t, r.admin, release.Manifests(t)...)
	for _, folder := range []string{"infra/kubernetes", "infra/deploy"} {
		if err := os.CopyFS(filepath.Join(r.folder, folder), os.DirFS(filepath.Join(repo.Root(t), folder))); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"rollout/project": "p\n", "rollout/region": "r\n", "rollout/name": "studio\n", "rollout/cluster": "studio\n", "rollout/pools": "gpu-t4\n", "rollout/jobs": "", "rollout/workers": "",
		"images/executor.ref": "unused", "bin/gcloud": "#!/bin/sh\n[ \"$2\" != jobs ] && printf 'image\\t100\\trevision\\tTrue\\n'\n",
	} {
		r.write(name, text)
	}
	r.write("kubeconfig", kubeconfig(t, cfg))
	return r
}

func (r *rollout) write(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.folder, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func kubeconfig(t *testing.T, cfg *rest.Config) string {
	t.Helper()
	c := api.NewConfig()
	c.Clusters["c"] = &api.Cluster{Server: cfg.Host, CertificateAuthorityData: cfg.CAData}
	c.AuthInfos["u"] = &api.AuthInfo{ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, Impersonate: builder}
	c.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "u"}
	c.CurrentContext = "x"
	text, err := clientcmd.Write(*c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// change changes what the overlay says, in one of its files or the base's.
func (r *rollout) change(file, old, fresh string) {
	r.t.Helper()
	file = filepath.Join("infra/kubernetes", file)
	text, err := os.ReadFile(filepath.Join(r.folder, file))
	if err != nil || !strings.Contains(string(text), old) {
		r.t.Fatalf("%s does not hold %q: %v", file, old, err)
	}
	r.write(file, strings.Replace(string(text), old, fresh, 1))
}

// roll runs a step as in a build of its own, unless it is back.
func (r *rollout) roll(step string) (string, error) {
	r.t.Helper()
	if step != "back" {
		if err := os.RemoveAll(filepath.Join(r.folder, "rollout/before")); err != nil {
			r.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(r.t.Context(), "bash", "infra/deploy/roll", step)
	cmd.Dir = r.folder
	cmd.Env = []string{"PATH=" + filepath.Join(r.folder, "bin") + ":" + os.Getenv("KUBEBUILDER_ASSETS") + ":" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(r.folder, "kubeconfig"), "HOME=" + r.folder, "PAUSE=0"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *rollout) must(step string) {
	r.t.Helper()
	if out, err := r.roll(step); err != nil {
		r.t.Fatalf("roll %s: %v\n%s", step, err, out)
	}
}

func (r *rollout) deployment() *appsv1.Deployment {
	r.t.Helper()
	var d appsv1.Deployment
	if err := r.admin.Get(r.t.Context(), types.NamespacedName{Namespace: "studio", Name: rolled}, &d); err != nil {
		r.t.Fatal(err)
	}
	return &d
}

// scale does what the scaler would.
func (r *rollout) scale(replicas int32) {
	r.t.Helper()
	d := r.deployment()
	d.Spec.Replicas = &replicas
	if err := r.admin.Update(context.WithoutCancel(r.t.Context()), d, client.FieldOwner("scaler")); err != nil {
		r.t.Fatal(err)
	}
}

// expect looks at the image, the replicas and whether settings are there.
func (r *rollout) expect(when, image string, replicas int32, settings map[string]bool) {
	r.t.Helper()
	d := r.deployment()
	c := d.Spec.Template.Spec.Containers[0]
	if *d.Spec.Replicas != replicas || !strings.HasSuffix(c.Image, image) {
		r.t.Errorf("%s: %d replicas of %s; want %d of %s", when, *d.Spec.Replicas, c.Image, replicas, image)
	}
	for name, want := range settings {
		got := false
		for _, e := range c.Env {
			got = got || e.Name == name
		}
		if got != want {
			r.t.Errorf("%s: the setting %s is there: %t", when, name, got)
		}
	}
}

func TestARolloutOfExecutorsDrainsThemAndIsTakenBack(t *testing.T) { //nolint:paralleltest // one server
	r := newRollout(t)
	r.must("ready")
	r.must("executors") // the first rollout of all
	r.expect("the first rollout", ":latest", 0, nil)

	r.scale(3)
	r.change("overlays/gpu-t4/kustomization.yaml", "newTag: latest", "newTag: \"2\"")
	r.change("base/deployment.yaml", "{name: SAVE_TIMEOUT, value: 30m}", "{name: SAVE_TIMEOUT, value: 30m}\n            - {name: MORE, value: x}")
	r.must("executors")
	r.expect("a new version", ":2", 0, map[string]bool{"MORE": true, "SAVE_TIMEOUT": true})

	r.scale(1)
	r.must("back")
	r.expect("taken back", ":latest", 0, map[string]bool{"MORE": false, "SAVE_TIMEOUT": true})

	r.scale(2)
	r.must("back")
	r.expect("taken back again", ":latest", 2, nil)

	// What was taken back is no different from what was applied: a later version can leave something out.
	r.change("base/deployment.yaml", "            - {name: SAVE_TIMEOUT, value: 30m}\n", "")
	r.change("overlays/gpu-t4/kustomization.yaml", "newTag: \"2\"", "newTag: \"3\"")
	r.must("executors")
	r.expect("a later version", ":3", 0, map[string]bool{"MORE": true, "SAVE_TIMEOUT": false})
}

func TestExecutorsThatWereNotReplacedGoOnWhenARolloutIsTakenBack(t *testing.T) { //nolint:paralleltest // one server
	r := newRollout(t)
	r.must("executors")
	r.scale(3)
	r.write("rollout/jobs", "small\n") // gcloud fails for jobs, which are asked about first
	if out, err := r.roll("executors"); err == nil || !strings.Contains(out, "executors failed") {
		t.Fatalf("%v\n%s", err, out)
	}
	r.expect("a rollout that failed before it changed anything", ":latest", 3, nil)
}

func TestTheBuildsAccountReachesNothingButWhatARolloutTouches(t *testing.T) { //nolint:paralleltest // one server
	r := newRollout(t)
	for _, args := range [][]string{{"get", "secrets"}, {"get", "configmaps"}, {"delete", "namespace", "studio"}, {"get", "deployments", "--namespace", "keda"}, {"create", "role", "x", "--verb=get", "--resource=pods"}} {
		cmd := exec.CommandContext(t.Context(), "kubectl", slices.Concat([]string{"--kubeconfig", filepath.Join(r.folder, "kubeconfig"), "--namespace", "studio"}, args)...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "orbidden") {
			t.Errorf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}
