package manifests

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// deployment is that of a pool's overlay.
func deployment(t *testing.T, folder string) (appsv1.Deployment, corev1.Container) {
	t.Helper()
	var d appsv1.Deployment
	repo.Find(t, repo.Build(t, folder), "Deployment", "executor-", &d)
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%s: %d containers", folder, n)
	}
	return d, d.Spec.Template.Spec.Containers[0]
}

func setting(t *testing.T, c corev1.Container, name string) string {
	t.Helper()
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	t.Fatalf("%s is not set", name)
	return ""
}

func duration(t *testing.T, c corev1.Container, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(setting(t, c, name))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// An experiment that runs while its executor is told to leave may go on for days, and its results are saved.
func TestAPodIsGivenTheTimeThatItsExecutorTakesToLeave(t *testing.T) {
	t.Parallel()
	for _, folder := range pools(t) {
		d, c := deployment(t, folder)
		drain, save := duration(t, c, "DRAIN_TIMEOUT"), duration(t, c, "SAVE_TIMEOUT")
		if grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; drain < 48*time.Hour || grace <= drain+save {
			t.Errorf("%s: grace %s, DRAIN_TIMEOUT %s, SAVE_TIMEOUT %s", folder, grace, drain, save)
		}
		if d.Spec.Template.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] != "false" {
			t.Errorf("%s: the autoscaler may evict it", folder)
		}
		if p := c.LivenessProbe; p == nil || p.HTTPGet.Path != "/livez" || p.PeriodSeconds*p.FailureThreshold < 300 {
			t.Errorf("%s: liveness %+v", folder, p)
		}
		if d.Spec.Replicas != nil {
			t.Errorf("%s: replicas are the scaler's, and every apply would set them back", folder)
		}
	}
}

// The capabilities are those that ../../../executor says it needs, and an experiment's folder of credentials is closed to it.
func TestAPodHasNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	for _, folder := range pools(t) {
		d, c := deployment(t, folder)
		want := []corev1.Capability{"SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "FOWNER"}
		if got := c.SecurityContext.Capabilities; !slices.Equal(got.Add, want) || !slices.Equal(got.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: capabilities %+v, want %v and nothing else", folder, got, want)
		}
		pod := d.Spec.Template.Spec
		if *c.SecurityContext.AllowPrivilegeEscalation || !*c.SecurityContext.ReadOnlyRootFilesystem || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID {
			t.Errorf("%s: %+v %+v", folder, c.SecurityContext, pod)
		}
		for _, v := range pod.Volumes {
			if v.Secret != nil && (*v.Secret.DefaultMode != 0o400 || !*v.Secret.Optional) || v.Projected != nil && *v.Projected.DefaultMode != 0o400 || v.HostPath != nil {
				t.Errorf("%s: volume %+v may be read by experiments, or must be there", folder, v)
			}
		}
		if len(pod.InitContainers) != 1 || !strings.Contains(strings.Join(pod.InitContainers[0].Command, " "), "metadata-guard") || setting(t, c, "METADATA_GUARD") != "true" || setting(t, c, "EXPERIMENT_UID") == "0" {
			t.Errorf("%s: experiments are not kept from the metadata server", folder)
		}
	}
}

// An emptyDir is writable for all, without a sticky bit, until the init container has changed that.
func TestFoldersOfAPodAreClosedBeforeExperimentsCome(t *testing.T) {
	t.Parallel()
	for _, folder := range pools(t) {
		d, c := deployment(t, folder)
		command := strings.Join(d.Spec.Template.Spec.InitContainers[0].Command, " ")
		for _, v := range d.Spec.Template.Spec.Volumes {
			i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return v.EmptyDir != nil && m.Name == v.Name })
			if i >= 0 && !strings.Contains(command, " "+c.VolumeMounts[i].MountPath+" ") {
				t.Errorf("%s: %s stays open to all: %s", folder, c.VolumeMounts[i].MountPath, command)
			}
		}
		if !slices.Equal(mounts(d.Spec.Template.Spec.InitContainers[0], "/run"), mounts(c, "/etc", "/var/run")) {
			t.Errorf("%s: the init container does not see the executor's folders", folder)
		}
	}
}

// mounts are the paths of a container's volumes but those below others.
func mounts(c corev1.Container, others ...string) (paths []string) {
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(others, func(other string) bool { return strings.HasPrefix(m.MountPath, other) }) {
			paths = append(paths, m.MountPath)
		}
	}
	return paths
}

// A pod must hold what its pool says that its experiments have.
func TestAPodHasWhatItsPoolPromises(t *testing.T) {
	t.Parallel()
	for _, folder := range repo.Folders(t) {
		d, c := deployment(t, folder)
		list, err := pool.Parse(promises(t, folder))
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		p, ok := list.Find(setting(t, c, "POOL"))
		if !ok || d.Name != "executor-"+p.Name || d.Spec.Template.Spec.NodeSelector["studio-pool"] != p.Name {
			t.Errorf("%s: is the pool %+v", folder, p)
		}
		ask, limit := c.Resources.Requests, c.Resources.Limits
		gpus := limit["nvidia.com/gpu"]
		if ask.Cpu().MilliValue() < int64(p.CPUs)*1000 || ask.Memory().Value() < p.RAM || ask.StorageEphemeral().Value() < p.HDD || gpus.Value() != int64(p.GPUs) {
			t.Errorf("%s: asks %v, limits %v; the pool promises %+v", folder, ask, limit, p)
		}
	}
}

// promises are the pools: those that overlays are rendered of, and those of the plain file's own ConfigMap.
func promises(t *testing.T, folder string) string {
	t.Helper()
	if filepath.Base(folder) == "plain" {
		return shared(t, repo.Build(t, folder), "studioml-env")["POOLS"]
	}
	var deployment struct{ Pools json.RawMessage }
	if err := json.Unmarshal(repo.Read(t, "infra/kubernetes/example/deployment.json"), &deployment); err != nil {
		t.Fatal(err)
	}
	return string(deployment.Pools)
}

// shared are the data of a ConfigMap.
func shared(t *testing.T, manifests [][]byte, name string) map[string]string {
	t.Helper()
	var m corev1.ConfigMap
	repo.Find(t, manifests, "ConfigMap", name, &m)
	return m.Data
}

// Overlays in the repository are those of the example, as the renderer writes them.
func TestTheOverlaysAreAsRendered(t *testing.T) {
	t.Parallel()
	root := repo.Root(t)
	out := filepath.Join(t.TempDir(), "overlays")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./infra/kubernetes/render", "infra/kubernetes/example/deployment.json", out)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("render: %v: %s", err, text)
	}
	if text, err := exec.CommandContext(t.Context(), "diff", "-r", filepath.Join(root, "infra/kubernetes/overlays"), out).CombinedOutput(); err != nil {
		t.Errorf("run `make manifests`:\n%s", text)
	}
}

// The plain file is for those who know it from the earlier runner; it must not fall behind.
func TestThePlainFileIsAsBuilt(t *testing.T) {
	t.Parallel()
	built, there := map[string]any{}, map[string]any{}
	for _, text := range repo.Build(t, filepath.Join(repo.Root(t), "infra/kubernetes/plain")) {
		object(t, text, built)
	}
	for text := range strings.SplitSeq(string(repo.Read(t, "infra/kubernetes/deployment.yaml")), "\n---\n") {
		object(t, []byte(text), there)
	}
	if len(built) < 10 || !reflect.DeepEqual(built, there) {
		t.Errorf("run `make manifests`: deployment.yaml has %d manifests, kustomize builds %d, or they differ", len(there), len(built))
	}
}

func object(t *testing.T, text []byte, into map[string]any) {
	t.Helper()
	var v struct {
		Kind     string
		Metadata struct{ Name string }
	}
	var all any
	if err := errors.Join(yaml.Unmarshal(text, &v), yaml.Unmarshal(text, &all)); err != nil {
		t.Fatal(err)
	}
	into[v.Kind+" "+v.Metadata.Name] = all
}
