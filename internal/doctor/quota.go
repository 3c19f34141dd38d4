package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

const nextQuota = "ask for more: https://console.cloud.google.com/iam-admin/quotas (GPUS_ALL_REGIONS, and the cards' own in the region)"

type quotas struct {
	Quotas []struct {
		Metric       string
		Limit, Usage float64
	}
}

// quota looks whether Compute Engine would give the project another GPU.
func (d Deployment) quota(ctx context.Context) Finding {
	switch {
	case d.local():
		return notHere("the local cloud has the cards of this machine, and no quota", "")
	case !slices.ContainsFunc(d.Pools, func(p pool.Pool) bool { return p.GPUs > 0 }):
		return notHere("no pool with GPUs is known", "name the pools: --deployment deployment.json, or `studioctl context set NAME --pools FILE`")
	case d.Region == "":
		return notHere("the region is not known", nextRegion)
	}
	var everywhere, here quotas
	path := "/compute/v1/projects/" + d.Project
	if err := errors.Join(d.get(ctx, "compute", path, nil, &everywhere), d.get(ctx, "compute", path+"/regions/"+d.Region, nil, &here)); err != nil {
		return d.unanswered("Compute Engine", err)
	}
	return judge(everywhere, here, d.Region)
}

func judge(everywhere, here quotas, region string) Finding {
	for _, q := range everywhere.Quotas {
		if q.Metric == "GPUS_ALL_REGIONS" && q.Usage >= q.Limit {
			return used(q.Usage, q.Limit, "GPUS_ALL_REGIONS of the project")
		}
	}
	var free, full []string
	for _, q := range here.Quotas {
		if !strings.Contains(q.Metric, "NVIDIA") || strings.Contains(q.Metric, "VWS") || q.Limit == 0 {
			continue
		}
		text := fmt.Sprintf("%s %g of %g", q.Metric, q.Usage, q.Limit)
		if q.Usage < q.Limit {
			free = append(free, text)
		} else {
			full = append(full, text)
		}
	}
	switch {
	case len(free) > 0:
		return pass("used in %s: %s", region, strings.Join(append(free, full...), ", "))
	case len(full) > 0:
		return Finding{Warn, "every card that the project may have in " + region + " is in use: " + strings.Join(full, ", "), nextQuota}
	}
	return Finding{Fail, "the project may have no GPU in " + region, nextQuota}
}

func used(usage, limit float64, what string) Finding {
	if limit == 0 {
		return Finding{Fail, "the project may have no GPU: " + what + " is 0", nextQuota}
	}
	return Finding{Warn, fmt.Sprintf("%g of %g cards of %s are in use", usage, limit, what), nextQuota}
}
