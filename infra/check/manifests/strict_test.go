package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

func TestManifestsHaveNoMemberThatTheirKindsLack(t *testing.T) {
	t.Parallel()
	decoder, err := Decoder()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, folder := range repo.Folders(t) {
		for _, text := range repo.Build(t, folder) {
			if _, _, err := decoder.Decode(text, nil, nil); err != nil {
				t.Errorf("%s: %v", folder, err)
			}
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d manifests were seen", n)
	}
}

func TestAMisspeltMemberIsFound(t *testing.T) {
	t.Parallel()
	decoder, err := Decoder()
	if err != nil {
		t.Fatal(err)
	}
	deployment, scaler := overlay(t, "Deployment"), overlay(t, "ScaledObject")
	for name, text := range map[string]string{
		"misspelt":      strings.Replace(deployment, "terminationGracePeriodSeconds", "terminationGraceSeconds", 1),
		"another type":  strings.Replace(deployment, "enableServiceLinks: false", "enableServiceLinks: 5", 1),
		"twice":         strings.Replace(deployment, "enableServiceLinks: false", "enableServiceLinks: false\n      enableServiceLinks: true", 1),
		"no such kind":  strings.Replace(deployment, "kind: Deployment", "kind: Deploy", 1),
		"KEDA misspelt": strings.Replace(scaler, "cooldownPeriod", "coolDownPeriod", 1),
		"KEDA type":     strings.Replace(scaler, "minReplicaCount: 0", "minReplicaCount: none", 1),
	} {
		if text == deployment || text == scaler {
			t.Errorf("%s: the mistake is not in the text", name)
		}
		if _, _, err := decoder.Decode([]byte(text), nil, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTriggersAreKEDAs(t *testing.T) {
	t.Parallel()
	schema := schema(t)
	for _, folder := range pools(t) {
		var scaler kedav1alpha1.ScaledObject
		repo.Find(t, repo.Build(t, folder), "ScaledObject", "executor-", &scaler)
		if err := Triggers(schema, scaler.Spec.Triggers); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

func TestATriggerThatKEDADoesNotKnowIsFound(t *testing.T) {
	t.Parallel()
	schema := schema(t)
	for want, trigger := range map[string]kedav1alpha1.ScaleTriggers{
		"no scaler":          {Type: "gcp-pub-sub"},
		"is going":           {Type: "gcp-pubsub", Metadata: map[string]string{"subscriptionName": "s"}},
		`has no "querry"`:    {Type: "prometheus", Metadata: map[string]string{"serverAddress": "https://x", "querry": "x", "threshold": "1"}},
		"query is missing":   {Type: "prometheus", Metadata: map[string]string{"serverAddress": "https://x", "threshold": "1"}},
		"removed in v2.20":   {Type: "gcp-pubsub", Metadata: map[string]string{"subscriptionName": "s", "subscriptionSize": "5"}},
		"podSelector is mis": {Type: "kubernetes-workload", Metadata: map[string]string{"value": "1"}},
	} {
		if err := Triggers(schema, []kedav1alpha1.ScaleTriggers{trigger}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", trigger, err, want)
		}
	}
}

func schema(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo.Module(t, "github.com/kedacore/keda/v2"), "schema/generated/scalers-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pools are the overlays of pools.
func pools(t *testing.T) (found []string) {
	t.Helper()
	for _, folder := range repo.Folders(t) {
		if filepath.Base(folder) != "plain" {
			found = append(found, folder)
		}
	}
	return found
}

// overlay is a manifest of the pool gpu-t4.
func overlay(t *testing.T, kind string) string {
	t.Helper()
	for _, text := range repo.Build(t, filepath.Join(repo.Root(t), "infra/kubernetes/overlays/gpu-t4")) {
		if strings.Contains(string(text), "\nkind: "+kind+"\n") {
			return string(text)
		}
	}
	t.Fatalf("there is no %s", kind)
	return ""
}
