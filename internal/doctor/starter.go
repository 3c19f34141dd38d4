package doctor

import (
	"context"
	"net/url"
)

// starter looks at what starts the tasks of a pool of jobs: a job of Cloud Scheduler that calls a workflow.
func (d Deployment) starter(pool string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		switch {
		case d.local():
			return notHere("the local cloud has no jobs: it keeps executors running", "")
		case d.Region == "":
			return notHere("the region is not known", nextRegion)
		}
		called := d.scheduled(ctx, "start-"+pool, "the workflow", "nobody starts tasks of the pool", "see whether its account may start the workflow (roles/workflows.invoker)")
		if called.Status != Pass {
			return called
		}
		ran := d.ran(ctx, "start-"+pool)
		ran.Says = called.Says + "; " + ran.Says
		return ran
	}
}

// ran looks how a workflow ended last: who calls it is answered before it has run.
func (d Deployment) ran(ctx context.Context, name string) Finding {
	workflow := d.located("workflows", name)
	var w struct{ State string }
	if err := d.get(ctx, "workflows", "/v1/"+workflow, nil, &w); err != nil {
		return d.unanswered("workflow "+d.Name+"-"+name, err)
	}
	if w.State != "ACTIVE" {
		return Finding{Fail, "the workflow is " + w.State, d.mend()}
	}
	var all struct{ Executions []struct{ State string } } // the newest first
	if err := d.get(ctx, "workflowexecutions", "/v1/"+workflow+"/executions", url.Values{"pageSize": {"10"}}, &all); err != nil {
		return d.unanswered("the workflow's runs", err)
	}
	for _, e := range all.Executions {
		switch e.State {
		case "ACTIVE", "QUEUED":
		case "SUCCEEDED":
			return pass("the workflow's last run succeeded")
		default:
			return Finding{Fail, "the workflow's last run is " + e.State + ": no tasks are started",
				"see why: gcloud workflows executions list " + d.Name + "-" + name + " --location " + d.Region + ", and describe the newest"}
		}
	}
	return pass("no run of the workflow has ended yet")
}
