package doctor

import (
	"context"
	"fmt"
	"time"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// patience is how long a request may wait in a pool that has no executor: for a scaler, a node, an image and a driver.
const patience = 30 * time.Minute

// executors looks whether somebody takes a pool's requests.
func (d Deployment) executors(p pool.Pool) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		switch {
		case d.local():
			return notHere("the local cloud's Pub/Sub does not tell who reads a subscription", "")
		case p.Kind == pool.KindRunJob:
			if f := d.job(ctx, p.Name); f.Status != Pass {
				return f
			}
		}
		var seen [3]int64
		known := false // that messages are counted; streams are not where there is none
		for i, name := range []string{"open_streaming_pulls", "oldest_unacked_message_age", "num_undelivered_messages"} {
			var err error
			if seen[i], known, err = d.metric(ctx, pool.Topic(p.Name), name); err != nil {
				return d.unanswered("Cloud Monitoring", err)
			}
		}
		if !known {
			return unmeasured()
		}
		return manned(seen[0], seen[2], time.Duration(seen[1])*time.Second)
	}
}

// manned judges by streams of executors and by what waits: a pool without work has no executor.
func manned(streams, waiting int64, oldest time.Duration) Finding {
	const next = "see the executors' pods (kubectl -n studio get pods), the scaler (kubectl -n studio describe scaledobject) and the GPU quota"
	switch {
	case streams > 0:
		return pass("executors read the subscription; %d requests wait or run, the oldest for %s", waiting, oldest)
	case waiting > 0 && oldest > patience:
		return Finding{Fail, fmt.Sprintf("no executor, and %d requests wait, the oldest for %s", waiting, oldest), next}
	case waiting > 0:
		return Finding{Warn, fmt.Sprintf("no executor yet, and %d requests wait, the oldest for %s", waiting, oldest), "look again when it was " + patience.String() + "; " + next}
	}
	return pass("no executor and no request: the pool is scaled to zero")
}

func (d Deployment) job(ctx context.Context, name string) Finding {
	if d.Region == "" {
		return notHere("the region is not known", nextRegion)
	}
	c, err := run.NewJobsRESTClient(ctx, d.api("run")...)
	if err != nil {
		return d.unanswered("Cloud Run", err)
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	j, err := c.GetJob(ctx, &runpb.GetJobRequest{Name: d.located("jobs", name)})
	if err != nil {
		return d.unanswered("job "+d.Name+"-"+name, err)
	}
	return served(j.TerminalCondition, j.Template.GetTemplate().GetContainers(),
		fmt.Sprintf("gcloud run jobs executions list --job %s-%s --region %s", d.Name, name, d.Region))
}
