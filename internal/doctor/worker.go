package doctor

import (
	"context"
	"fmt"
	"time"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
)

// working looks at a bridge that nobody calls: whether Cloud Run keeps it running, and whether its runs end well, of which its log
// tells (infra/terraform/modules/observability counts the lines).
func (d Deployment) working(ctx context.Context) Finding {
	p, err := d.workerPool(ctx)
	if err != nil {
		return d.unanswered("worker pool "+d.Worker, err)
	}
	next := "see its log: gcloud logging read 'resource.type=cloud_run_worker_pool' --limit 20; back to the revision before: gcloud run worker-pools update-instance-split " +
		d.Worker + " --region " + d.Region + " --to-revisions REVISION=100"
	if p.Scaling.GetManualInstanceCount() == 0 {
		return Finding{Fail, "the worker has no instances: nobody takes requests from RabbitMQ", "gcloud run worker-pools update " + d.Worker + " --instances 1 --region " + d.Region}
	}
	if f := served(p.TerminalCondition, p.Template.GetContainers(), next); f.Status != Pass {
		return f
	}
	since := p.UpdateTime.AsTime()
	ended, err := d.lines(ctx, "relay_runs", since)
	if err != nil {
		return d.unanswered("its runs are not seen: Cloud Monitoring", err)
	}
	failed, err := d.lines(ctx, "relay_faults", since)
	switch {
	case err != nil:
		return d.unanswered("its faults are not seen: Cloud Monitoring", err)
	case failed > 0 && failed >= ended:
		return Finding{Fail, fmt.Sprintf("%d of its runs failed", failed), next}
	case ended == 0 && time.Since(since) > settling:
		return Finding{Fail, "no run of the worker has come to its end", next}
	}
	return pass("a worker relays without being called: %d runs ended, %d failed", ended, failed)
}

func (d Deployment) workerPool(ctx context.Context) (*runpb.WorkerPool, error) {
	c, err := run.NewWorkerPoolsRESTClient(ctx, d.api("run")...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	return c.GetWorkerPool(ctx, &runpb.GetWorkerPoolRequest{Name: fmt.Sprintf("projects/%s/locations/%s/workerPools/%s", d.Project, d.Region, d.Worker)})
}

// lines are how often the worker logged what a metric counts, after since.
func (d Deployment) lines(ctx context.Context, metric string, since time.Time) (int64, error) {
	filter := fmt.Sprintf(`metric.type="logging.googleapis.com/user/%s/%s" AND resource.type="cloud_run_worker_pool"`, d.Name, metric)
	c, err := d.counted(ctx, filter, "", "", since)
	return c.well, err
}
