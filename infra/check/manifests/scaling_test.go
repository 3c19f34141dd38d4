package manifests

import (
	"math"
	"testing"

	"github.com/expr-lang/expr"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"

	"github.com/leaf-ai/studio-cloud-runner/infra/check/internal/repo"
)

// The scaler of a pool whose pods run four experiments each, as docs/adr/0001-scaling-executors.md says it.
func TestTheScalerWantsNeitherTooFewNorTooManyPods(t *testing.T) {
	t.Parallel()
	var scaler kedav1alpha1.ScaledObject
	for _, folder := range pools(t) {
		repo.Find(t, repo.Build(t, folder), "ScaledObject", "executor-", &scaler)
		if _, err := kedav1alpha1.ValidateAndCompileScalingModifiers(&scaler); err != nil {
			t.Errorf("%s: KEDA does not take its formula: %v", folder, err)
		}
	}
	repo.Find(t, repo.Build(t, repo.Root(t)+"/infra/kubernetes/overlays/gpu-t4"), "ScaledObject", "executor-", &scaler)
	type pod struct {
		runs     int
		draining bool
	}
	for name, tc := range map[string]struct {
		unacknowledged int
		pods           []pod
		want           int
	}{
		"nothing to do":                               {0, nil, 0},
		"the first experiment, from zero":             {1, nil, 1},
		"more than one pod holds":                     {5, nil, 2},
		"an idle pod is given up":                     {0, []pod{{}}, 0},
		"a busy pod is kept":                          {1, []pod{{runs: 1}}, 1},
		"a busy pod is kept where the metric is late": {0, []pod{{runs: 1}}, 1},
		"busy pods that one could hold are all kept":  {3, []pod{{runs: 1}, {runs: 1}, {runs: 1}}, 3},
		"idle ones beside them are not":               {3, []pod{{runs: 3}, {}, {}}, 1},
		"a full pod and more work":                    {6, []pod{{runs: 4}}, 2},
		"large experiments fill pods one by one":      {10, []pod{{runs: 1}, {runs: 1}, {runs: 1}}, 5},
		"draining pods need no others":                {8, []pod{{4, true}, {4, true}}, 0},
		"new work beside draining pods does":          {9, []pod{{4, true}, {4, true}}, 1},
		"a rollout amid work":                         {9, []pod{{4, true}, {1, true}, {runs: 3}}, 2},
		"what ended while the metric is late":         {4, []pod{{}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := kedav1alpha1.ValidateAndCompileScalingModifiers(&scaler)
			if err != nil {
				t.Fatal(err)
			}
			data := map[string]any{"unacknowledged": float64(tc.unacknowledged), "busy": 0.0, "runs1": 0.0, "runs2": 0.0, "runs4": 0.0}
			count := func(name string, yes bool) {
				if yes {
					data[name] = data[name].(float64) + 1
				}
			}
			for _, p := range tc.pods {
				count("busy", p.runs > 0 && !p.draining)
				count("runs1", p.runs&1 != 0)
				count("runs2", p.runs&2 != 0)
				count("runs4", p.runs&4 != 0)
			}
			got, err := expr.Run(program, data)
			wish, ok := got.(float64)
			if err != nil || !ok || int(math.Ceil(wish)) != tc.want {
				t.Errorf("wants %v pods (%v), want %d", got, err, tc.want)
			}
		})
	}
}
