//go:build apiserver

// Package apiserver_test applies the manifests to a real API server with KEDA's CRDs, which stores nothing of it, and tries what the
// executor's account may do.
package apiserver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/release"
	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// server starts etcd and kube-apiserver from KUBEBUILDER_ASSETS.
func server(t *testing.T) *rest.Config {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd; `make infra-check` sets it")
	}
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join(repo.Module(t, "github.com/kedacore/keda/v2"), "config/crd/bases")}, ErrorIfCRDPathMissing: true,
	}
	cfg, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cfg
}

func connect(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// apply is `kubectl apply --server-side --validate=strict`, with --dry-run=server unless it is to stay.
func apply(ctx context.Context, c client.Client, text []byte, stay bool) error {
	var u unstructured.Unstructured
	if err := yaml.Unmarshal(text, &u.Object); err != nil {
		return err
	}
	options := []client.PatchOption{client.FieldOwner("check"), client.ForceOwnership, strict{}}
	if !stay {
		options = append(options, client.DryRunAll)
	}
	if err := c.Patch(ctx, &u, client.Apply, options...); err != nil { //nolint:staticcheck // the typed form would drop what it does not know
		return fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// strict refuses members that a kind does not have.
type strict struct{}

func (strict) ApplyToPatch(o *client.PatchOptions) {
	if o.Raw == nil {
		o.Raw = &metav1.PatchOptions{}
	}
	o.Raw.FieldValidation = metav1.FieldValidationStrict
}

func TestTheAPIServerTakesTheManifests(t *testing.T) { //nolint:paralleltest // one server
	cfg := server(t)
	c := connect(t, cfg)
	manifests := map[string][][]byte{}
	for _, folder := range repo.Folders(t) {
		manifests[filepath.Base(folder)] = repo.Build(t, folder)
	}
	manifests["deployment.yaml"] = split(repo.Read(t, "infra/kubernetes/deployment.yaml"))
	store(t, c, release.Manifests(t)...)
	for name, texts := range manifests {
		for _, text := range texts {
			if err := apply(t.Context(), c, text, false); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	mistakes(t, c, manifests["gpu-t4"])
	t.Run("pods of the deployment pass admission", func(t *testing.T) { pod(t, c, manifests["gpu-t4"], "executor-gpu-t4-a") })
	ownPod(t, cfg, c)
}

// store applies what Terraform installs, on which pools stand: a namespace, a class, accounts and their roles, the policy.
func store(t *testing.T, c client.Client, manifests ...[]byte) {
	t.Helper()
	for _, text := range manifests {
		if err := apply(t.Context(), c, text, true); err != nil {
			t.Fatal(err)
		}
	}
}

func split(text []byte) (texts [][]byte) {
	for part := range strings.SplitSeq(string(text), "\n---\n") {
		texts = append(texts, []byte(part))
	}
	return texts
}

func mistakes(t *testing.T, c client.Client, manifests [][]byte) {
	t.Helper()
	for name, change := range map[string][2]string{
		"a misspelt member":              {"terminationGracePeriodSeconds", "terminationGraceSeconds"},
		"a selector beside its pods":     {"      studio-pool: gpu-t4\n  strategy", "      studio-pool: gpu-t5\n  strategy"},
		"a retired version":              {"apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"},
		"a volume that there is not":     {"name: shm\n        - ", "name: shn\n        - "},
		"a limit below what is asked":    {"memory: 32Mi", "memory: 1Gi"},
		"a word that KEDA does not know": {"behavior: currentReplicas\n", "behavior: currentReplica\n"},
		"a number that KEDA refuses":     {"pollingInterval: 15", "pollingInterval: 0"},
		"a name with a capital":          {"name: executor-gpu-t4\n", "name: Executor-gpu-t4\n"},
	} {
		broken, refused := 0, 0
		for _, text := range manifests {
			changed := strings.Replace(string(text), change[0], change[1], 1)
			if changed == string(text) {
				continue
			}
			broken++
			switch err := apply(t.Context(), c, []byte(changed), false); {
			case err == nil: // of a name that stands in several, one is to blame
			case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), meta.IsNoMatchError(err), strings.Contains(err.Error(), "not declared in schema"):
				refused++
			default:
				t.Errorf("%s: %v", name, err)
			}
		}
		if broken == 0 || refused == 0 {
			t.Errorf("%s: in %d manifests, %d refused", name, broken, refused)
		}
	}
}

// pod makes a pod as the deployment's controller would.
func pod(t *testing.T, c client.Client, manifests [][]byte, name string) *corev1.Pod {
	t.Helper()
	var d struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	for _, text := range manifests {
		if strings.Contains(string(text), "\nkind: Deployment\n") {
			if err := yaml.Unmarshal(text, &d); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
	p.Name, p.Namespace = name, "studio"
	if err := c.Create(t.Context(), p); err != nil {
		t.Fatalf("make a pod: %v", err)
	}
	return p
}

// ownPod tries what the executor of the first pod may do, as the API server knows it by its token.
func ownPod(t *testing.T, cfg *rest.Config, admin client.Client) {
	t.Helper()
	other := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "studio"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	if err := admin.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	as := rest.CopyConfig(cfg)
	as.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:studio:executor", Groups: []string{"system:serviceaccounts", "system:authenticated"},
		Extra: map[string][]string{"authentication.kubernetes.io/pod-name": {"executor-gpu-t4-a"}},
	}
	c := connect(t, as)
	may := `{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"2"},"labels":{"studio-cloud-runner/state":"busy","studio-cloud-runner/runs-2":"true"}}}`
	patch := func(name, body string) error {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "studio"}}
		return c.Patch(t.Context(), p, client.RawPatch(types.MergePatchType, []byte(body)))
	}
	awaitPolicy(t, func() error { return patch("other", may) })
	if err := patch("executor-gpu-t4-a", may); err != nil {
		t.Errorf("an executor cannot say what it does: %v", err)
	}
	if err := patch("executor-gpu-t4-a", `{"metadata":{"labels":{"studio-cloud-runner/runs-2":null}}}`); err != nil {
		t.Errorf("an executor cannot take back what it said: %v", err)
	}
	for what, body := range map[string]string{
		"another annotation":      `{"metadata":{"annotations":{"cluster-autoscaler.kubernetes.io/safe-to-evict":"true"}}}`,
		"an annotation less":      `{"metadata":{"annotations":{"cluster-autoscaler.kubernetes.io/safe-to-evict":null}}}`,
		"a label of its selector": `{"metadata":{"labels":{"app.kubernetes.io/name":"another"}}}`,
		"a label less":            `{"metadata":{"labels":{"studio-pool":null}}}`,
		"its image":               `{"spec":{"containers":[{"name":"executor","image":"evil"}]}}`,
		"a finalizer":             `{"metadata":{"finalizers":["a.b/c"]}}`,
	} {
		if err := patch("executor-gpu-t4-a", body); err == nil {
			t.Errorf("an executor may change %s of its pod", what)
		}
	}
	cannot(t, c)
	awaitPolicy(t, func() error { return c.Delete(t.Context(), other, client.DryRunAll) })
	own := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "executor-gpu-t4-a", Namespace: "studio"}}
	if err := c.Delete(t.Context(), own); err != nil {
		t.Errorf("an executor with bad GPUs cannot have its pod replaced: %v", err)
	}
}

// awaitPolicy waits until the server has taken the policy up: it reads policies as they change.
func awaitPolicy(t *testing.T, refused func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ticker := time.NewTicker(100 * time.Millisecond); ; {
		err := refused()
		if err != nil && strings.Contains(err.Error(), "its own pod only") {
			ticker.Stop()
			return
		}
		if err != nil && !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			t.Fatal(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("an executor may change another pod (%v)", err)
		}
	}
}

func cannot(t *testing.T, c client.Client) {
	t.Helper()
	for verb, resource := range map[string]string{"get": "secrets", "list": "pods", "deletecollection": "pods", "create": "pods", "update": "configmaps"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "studio", Verb: verb, Resource: resource},
		}}
		if err := c.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed {
			t.Errorf("an executor may %s %s", verb, resource)
		}
	}
}
