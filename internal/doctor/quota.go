package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const nextQuota = "ask for more, or lower max_nodes: https://console.cloud.google.com/iam-admin/quotas (GPUS_ALL_REGIONS, and the cards' own in the region)"

type quotas struct {
	Quotas []quota
}

type quota struct {
	Metric       string
	Limit, Usage float64
}

func (q quotas) find(metric string) (quota, bool) {
	i := slices.IndexFunc(q.Quotas, func(q quota) bool { return q.Metric == metric })
	if i < 0 {
		return quota{}, false
	}
	return q.Quotas[i], true
}

// quota looks whether Compute Engine would give the project the cards of all nodes that the pools may have.
func (d Deployment) quota(ctx context.Context) Finding {
	switch {
	case d.local():
		return notHere("the local cloud has the cards of this machine, and no quota", "")
	case len(d.Pools) == 0:
		return notHere("no pool with GPUs is known", "name the pools: --deployment deployment.json, or `studioctl context set NAME --pools FILE`")
	case d.Region == "":
		return notHere("the region is not known", nextRegion)
	}
	var everywhere, here quotas
	path := "/compute/v1/projects/" + d.Project
	if err := errors.Join(d.get(ctx, "compute", path, nil, &everywhere), d.get(ctx, "compute", path+"/regions/"+d.Region, nil, &here)); err != nil {
		return d.unanswered("Compute Engine", err)
	}
	return d.judge(everywhere, here)
}

// judge puts what is worst first.
func (d Deployment) judge(everywhere, here quotas) Finding {
	needs, all, unknown := d.needs(here)
	var found []Finding
	if q, listed := everywhere.find("GPUS_ALL_REGIONS"); listed {
		found = append(found, all.judge(q))
	}
	for _, metric := range slices.Sorted(maps.Keys(needs)) {
		q, listed := here.find(metric)
		if !listed {
			found = append(found, notHere("Compute Engine does not tell the quota "+metric+" of "+d.Region, "see it there: https://console.cloud.google.com/iam-admin/quotas"))
			continue
		}
		found = append(found, needs[metric].judge(q))
	}
	if len(unknown) > 0 {
		found = append(found, notHere("which cards these pools have is not known: "+strings.Join(unknown, ", "), "name Terraform's output: --deployment deployment.json, whose pools have machine.gpu_type"))
	}
	return worst(found)
}

// need is how many cards the pools may use under one quota.
type need struct {
	each  int // of the largest node
	cards int // of all nodes
	nodes int
}

// needs are what the pools may use, by the metric of their card and in all. Of some pools the card is not known.
func (d Deployment) needs(here quotas) (by map[string]need, all need, unknown []string) {
	by = map[string]need{}
	for _, p := range d.Pools {
		m := d.Machines[p.Name]
		if p.GPUs == 0 {
			continue
		}
		all = all.and(p, m)
		if m.GPUType == "" {
			unknown = append(unknown, p.Name)
			continue
		}
		metric := cardMetric(m.GPUType)
		// Until a project has a quota of spot cards, these are taken from the others.
		// https://cloud.google.com/compute/docs/instances/create-use-spot#before-you-begin
		spot, listed := here.find("PREEMPTIBLE_" + metric)
		if _, standard := here.find(metric); m.Spot && (listed && spot.Limit > 0 || !standard) {
			metric = "PREEMPTIBLE_" + metric
		}
		by[metric] = by[metric].and(p, m)
	}
	return by, all, unknown
}

func (n need) and(p pool.Pool, m Machine) need {
	return need{max(n.each, p.GPUs), n.cards + p.GPUs*m.MaxNodes, n.nodes + m.MaxNodes}
}

// memory ends the names of cards that come in one size: nvidia-h100-80gb is NVIDIA_H100_GPUS.
var memory = regexp.MustCompile(`-[0-9]+gb$`)

// cardMetric is the quota of a card. The metrics that there are, google.golang.org/api/compute/v1 lists at Quota.Metric.
func cardMetric(card string) string {
	if !strings.HasPrefix(card, "nvidia-a100-") { // of which there are two, NVIDIA_A100_GPUS and NVIDIA_A100_80GB_GPUS
		card = memory.ReplaceAllString(card, "")
	}
	return strings.ToUpper(strings.ReplaceAll(strings.Replace(card, "-tesla-", "-", 1), "-", "_")) + "_GPUS"
}

// judge compares what the pools may use with what the project may have. Of what is in use, some may be the pools' own.
func (n need) judge(q quota) Finding {
	nodes := func(cards float64) int { return min(n.nodes, int(math.Floor(max(cards, 0)/float64(n.each)))) }
	used := fmt.Sprintf("%s: %g of %g in use", q.Metric, q.Usage, q.Limit)
	switch {
	case q.Limit < float64(n.each):
		return Finding{Fail, fmt.Sprintf("%s is %g: no node with %d cards may be made", q.Metric, q.Limit, n.each), nextQuota}
	case float64(n.cards) > q.Limit:
		return Finding{Warn, fmt.Sprintf("%s, enough for %d of %d nodes, %d more now", used, nodes(q.Limit), n.nodes, nodes(q.Limit-q.Usage)), nextQuota}
	case q.Limit-q.Usage < float64(n.each):
		return Finding{Warn, used + ", none free for another node", nextQuota}
	}
	if n.nodes == 0 { // how many there may be is not known
		return pass("%s", used)
	}
	return pass("%s, enough for %d nodes, %d more now", used, n.nodes, nodes(q.Limit-q.Usage))
}

// worst is the worst of findings, and says what all say.
func worst(found []Finding) (f Finding) {
	f = found[0]
	var says []string
	rank := []Status{Pass, NotHere, Warn, Fail}
	for _, each := range found {
		says = append(says, each.Says)
		if slices.Index(rank, each.Status) > slices.Index(rank, f.Status) {
			f = each
		}
	}
	f.Says = strings.Join(says, "; ")
	return f
}
