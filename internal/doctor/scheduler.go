package doctor

import (
	"context"
	"fmt"
	"time"
)

// lastCall is how long ago Cloud Scheduler may have called relay: every minute, and some patience.
const lastCall = 15 * time.Minute

// scheduler looks whether Cloud Scheduler calls relay, and whether relay answered.
func (d Deployment) scheduler(ctx context.Context) Finding {
	switch {
	case d.local():
		return notHere("the local cloud has no Cloud Scheduler: it calls relay itself", "")
	case d.Region == "":
		return notHere("the region is not known", nextRegion)
	}
	var job struct {
		State           string
		LastAttemptTime time.Time
		Status          struct{ Code int }
	}
	if err := d.get(ctx, "cloudscheduler", "/v1/"+d.located("jobs", "relay"), nil, &job); err != nil {
		return d.unanswered("job "+d.Name+"-relay", err)
	}
	ago := time.Since(job.LastAttemptTime).Round(time.Second)
	switch {
	case job.State != "ENABLED":
		return Finding{Fail, "the job is " + job.State + ": nobody takes requests from RabbitMQ", fmt.Sprintf("gcloud scheduler jobs resume %s-relay --location %s", d.Name, d.Region)}
	case job.LastAttemptTime.IsZero():
		return Finding{Fail, "the job has never called relay", fmt.Sprintf("wait a minute; then gcloud scheduler jobs run %s-relay --location %s", d.Name, d.Region)}
	case job.Status.Code != 0:
		return Finding{Fail, fmt.Sprintf("the last call, %s ago, failed with code %d", ago, job.Status.Code), "see the log of the function " + d.Name + "-relay: it says what is wrong"}
	case ago > lastCall:
		return Finding{Fail, fmt.Sprintf("the last call was %s ago", ago), fmt.Sprintf("gcloud scheduler jobs describe %s-relay --location %s", d.Name, d.Region)}
	}
	return pass("relay was called %s ago and answered", ago)
}
