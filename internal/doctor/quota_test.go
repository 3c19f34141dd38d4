package doctor

import (
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

func TestTheQuotaIsThatOfThePoolsCardsAndEnoughForAllTheirNodes(t *testing.T) {
	t.Parallel()
	const (
		many = `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":64,"usage":1}]}`
		one  = `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":1,"usage":0}]}`
		none = `{"quotas":[{"metric":"GPUS_ALL_REGIONS","limit":0}]}`
	)
	l4 := pool.List{{Name: "gpu", Kind: pool.KindGKE, GPUs: 2}}
	machine := func(card string, spot bool) map[string]Machine {
		return map[string]Machine{"gpu": {MaxNodes: 4, GPUType: card, Spot: spot}}
	}
	onDemand, spot := machine("nvidia-l4", false), machine("nvidia-l4", true)
	tests := map[string]struct {
		machines        map[string]Machine
		project, region string
		status          Status
		says, next      string
	}{
		"enough":               {onDemand, many, `{"metric":"NVIDIA_L4_GPUS","limit":8,"usage":2}`, Pass, "NVIDIA_L4_GPUS: 2 of 8 in use, enough for 4 nodes, 3 more now", ""},
		"another card is free": {onDemand, many, `{"metric":"NVIDIA_L4_GPUS","limit":0},{"metric":"NVIDIA_T4_GPUS","limit":8}`, Fail, "NVIDIA_L4_GPUS is 0: no node with 2 cards", "iam-admin/quotas"},
		"less than a node":     {onDemand, many, `{"metric":"NVIDIA_L4_GPUS","limit":1}`, Fail, "NVIDIA_L4_GPUS is 1", "max_nodes"},
		"less than all nodes":  {onDemand, many, `{"metric":"NVIDIA_L4_GPUS","limit":5,"usage":2}`, Warn, "2 of 5 in use, enough for 2 of 4 nodes, 1 more now", "max_nodes"},
		"all in use":           {onDemand, many, `{"metric":"NVIDIA_L4_GPUS","limit":8,"usage":7}`, Warn, "none free for another node", "max_nodes"},
		"none anywhere":        {onDemand, none, `{"metric":"NVIDIA_L4_GPUS","limit":8}`, Fail, "GPUS_ALL_REGIONS is 0", "iam-admin/quotas"},
		"few in all":           {onDemand, one, `{"metric":"NVIDIA_L4_GPUS","limit":8}`, Fail, "GPUS_ALL_REGIONS is 1: no node with 2 cards", "iam-admin/quotas"},
		"spot":                 {spot, many, `{"metric":"PREEMPTIBLE_NVIDIA_L4_GPUS","limit":4},{"metric":"NVIDIA_L4_GPUS","limit":8}`, Warn, "PREEMPTIBLE_NVIDIA_L4_GPUS: 0 of 4 in use, enough for 2 of 4", "max_nodes"},
		"spot without its own": {spot, many, `{"metric":"PREEMPTIBLE_NVIDIA_L4_GPUS","limit":0},{"metric":"NVIDIA_L4_GPUS","limit":8}`, Pass, " NVIDIA_L4_GPUS: 0 of 8 in use", ""},
		"spot without any":     {spot, many, `{"metric":"PREEMPTIBLE_NVIDIA_L4_GPUS","limit":0},{"metric":"NVIDIA_L4_GPUS","limit":0}`, Fail, "NVIDIA_L4_GPUS is 0", "iam-admin/quotas"},
		"on demand, spot free": {onDemand, many, `{"metric":"PREEMPTIBLE_NVIDIA_L4_GPUS","limit":8},{"metric":"NVIDIA_L4_GPUS","limit":0}`, Fail, "NVIDIA_L4_GPUS is 0", "iam-admin/quotas"},
		"spot of a new card":   {machine("nvidia-h100-80gb", true), many, `{"metric":"PREEMPTIBLE_NVIDIA_H100_GPUS","limit":8}`, Pass, "PREEMPTIBLE_NVIDIA_H100_GPUS: 0 of 8", ""},
		"new card":             {machine("nvidia-h100-80gb", false), many, `{"metric":"PREEMPTIBLE_NVIDIA_H100_GPUS","limit":8}`, NotHere, "does not tell the quota NVIDIA_H100_GPUS of r", "iam-admin/quotas"},
		"card not known":       {nil, many, `{"metric":"NVIDIA_L4_GPUS","limit":8}`, NotHere, "not known: gpu", "machine.gpu_type"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := google(t, map[string]string{project: tc.project, region: `{"quotas":[` + tc.region + `]}`})
			d.Pools, d.Machines = l4, tc.machines
			expect(t, examined(t, d, "gpu quota"), tc.status, tc.says, tc.next)
		})
	}
}

// As google.golang.org/api/compute/v1 lists them.
func TestACardsQuotaHasTheNameThatComputeEngineGivesIt(t *testing.T) {
	t.Parallel()
	for card, metric := range map[string]string{
		"nvidia-tesla-t4": "NVIDIA_T4_GPUS", "nvidia-l4": "NVIDIA_L4_GPUS", "nvidia-tesla-p4": "NVIDIA_P4_GPUS", "nvidia-tesla-p100": "NVIDIA_P100_GPUS",
		"nvidia-tesla-v100": "NVIDIA_V100_GPUS", "nvidia-tesla-a100": "NVIDIA_A100_GPUS", "nvidia-a100-80gb": "NVIDIA_A100_80GB_GPUS", "nvidia-h100-80gb": "NVIDIA_H100_GPUS",
	} {
		if got := cardMetric(card); got != metric {
			t.Errorf("%s has the quota %s; want %s", card, got, metric)
		}
	}
}

func TestPoolsWithoutGPUsHaveNoLineOfAQuota(t *testing.T) {
	t.Parallel()
	d := google(t, nil)
	d.Pools = d.Pools[:1]
	for _, c := range d.Checks() {
		if c.Name == "gpu quota" {
			t.Error("there is a line gpu quota")
		}
	}
}
