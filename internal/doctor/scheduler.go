package doctor

import (
	"context"
	"fmt"
	"time"
)

// lastCall is how long ago Cloud Scheduler may have called what it calls every minute or two, and some patience.
const lastCall = 15 * time.Minute

// schedule is what Cloud Scheduler tells of a job.
type schedule struct {
	State                         string
	LastAttemptTime, ScheduleTime time.Time // the next call, where it is known
	Status                        struct{ Code int }
}

// scheduler looks whether Cloud Scheduler calls relay, and whether relay answered; where a worker relays, it is that which is looked at.
func (d Deployment) scheduler(ctx context.Context) Finding {
	switch {
	case d.local():
		return notHere("the local cloud has no Cloud Scheduler: it calls relay itself", "")
	case d.Region == "":
		return notHere("the region is not known", nextRegion)
	}
	if d.Worker != "" {
		return d.working(ctx)
	}
	return d.scheduled(ctx, "relay", "relay", "nobody takes requests from RabbitMQ", "see the log of the function "+d.Name+"-relay: it says what is wrong")
}

// scheduled looks whether Cloud Scheduler calls what a job is for.
func (d Deployment) scheduled(ctx context.Context, job, what, loss, next string) Finding {
	var s schedule
	if err := d.get(ctx, "cloudscheduler", "/v1/"+d.located("jobs", job), nil, &s); err != nil {
		return d.unanswered("job "+d.Name+"-"+job, err)
	}
	command := func(verb string) string {
		return fmt.Sprintf("gcloud scheduler jobs %s %s-%s --location %s", verb, d.Name, job, d.Region)
	}
	ago := time.Since(s.LastAttemptTime).Round(time.Second)
	switch {
	case s.State != "ENABLED":
		return Finding{Fail, "the job is " + s.State + ": " + loss, command("resume")}
	case s.LastAttemptTime.IsZero():
		return Finding{Fail, "the job has never called " + what, "wait a minute; then " + command("run")}
	case s.Status.Code != 0:
		return Finding{Fail, fmt.Sprintf("the last call, %s ago, failed with code %d", ago, s.Status.Code), next}
	case ago > lastCall && !s.ScheduleTime.After(time.Now()): // a rarer schedule has its next call before it
		return Finding{Fail, fmt.Sprintf("the last call was %s ago", ago), command("describe")}
	}
	return pass("%s was called %s ago and answered", what, ago)
}
