package main

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// Labels that package pod of the executor keeps.
const (
	stateLabel = "studio-cloud-runner/state"
	digitLabel = "studio-cloud-runner/runs-"
)

// scaler counts for one pool:
//
//	pods that run something and take more, and pods for what the subscription holds beyond what all pods run.
//
// docs/adr/0001-scaling-executors.md has the reasons.
func (d *deployment) scaler(p pool.Pool) object {
	slots := p.Slots()
	if p.GPUs == 0 {
		slots = p.CPUs
	}
	triggers := []object{d.unacknowledged(p), pods("busy", p, stateLabel+"=busy")}
	digits := map[string]int{}
	for i := range bits.Len(uint(slots)) {
		name := "runs" + strconv.Itoa(1<<i)
		digits[name] = 1 << i
		triggers = append(triggers, pods(name, p, digitLabel+strconv.Itoa(1<<i)+"=true"))
	}
	terms := make([]string, 0, len(digits))
	for _, name := range sortedKeys(digits) {
		terms = append(terms, fmt.Sprintf("%d*%s", digits[name], name))
	}
	return object{
		"scaleTargetRef":  object{"name": "executor-" + p.Name},
		"maxReplicaCount": d.machines[p.Name].MaxNodes,
		"advanced": object{"scalingModifiers": object{
			"formula":          fmt.Sprintf("busy + max(unacknowledged - (%s), 0) / %d", strings.Join(terms, " + "), slots),
			"target":           "1",
			"activationTarget": "0",
			"metricType":       "AverageValue",
		}},
		"triggers": triggers,
	}
}

// unacknowledged asks Cloud Monitoring for what the subscription holds: what waits and what executors hold. A subscription
// without a message has no such metric; that is none.
func (d *deployment) unacknowledged(p pool.Pool) object {
	return object{
		"type": "prometheus", "name": "unacknowledged",
		"metadata": object{
			"serverAddress": "https://monitoring.googleapis.com/v1/projects/" + d.Project + "/location/global/prometheus",
			"query": fmt.Sprintf(`sum(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource="pubsub_subscription",subscription_id=%q})`,
				pool.Topic(p.Name)),
			"threshold": "1", "ignoreNullValues": "true",
		},
		"authenticationRef": object{"name": "google-cloud"},
	}
}

// pods counts those of the pool with a label, those that leave included as long as they live.
func pods(name string, p pool.Pool, label string) object {
	return object{
		"type": "kubernetes-workload", "name": name,
		"metadata": object{"podSelector": "app.kubernetes.io/name=executor," + poolLabel + "=" + p.Name + "," + label, "value": "1"},
	}
}
