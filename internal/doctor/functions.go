package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
)

const nextRegion = "say where the functions are: --deployment deployment.json (Terraform's output), or --region"

// function looks whether a function answers. Nobody calls one in Google from outside: of it, whether Cloud Run serves it, and what
// became of the calls that came since its last change. Whether relay answers, the line scheduler tells.
func (d Deployment) function(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		switch {
		case d.local():
			return d.answers(ctx, name)
		case d.Region == "":
			return notHere("the region is not known", nextRegion)
		}
		s, err := d.service(ctx, name)
		if err != nil {
			return d.unanswered("service "+d.Name+"-"+name, err)
		}
		f := served(s.TerminalCondition, s.Template.GetContainers(), d.nextLog(name)+"; a rollout that failed is undone with: gcloud run services update-traffic "+
			d.Name+"-"+name+" --region "+d.Region+" --to-revisions REVISION=100")
		if f.Status != Pass || name == "relay" {
			return f
		}
		since, next := s.UpdateTime.AsTime(), d.nextLog(name)
		told := Finding{}
		if name == "report" {
			told = d.delivered(ctx, reports, since, next)
		} else {
			told = d.answered(ctx, name, since, next)
		}
		told.Says = f.Says + "; " + told.Says
		return told
	}
}

func (d Deployment) nextLog(name string) string {
	return fmt.Sprintf("see its log: gcloud run services logs read %s-%s --region %s", d.Name, name, d.Region)
}

func (d Deployment) service(ctx context.Context, name string) (*runpb.Service, error) {
	c, err := run.NewServicesRESTClient(ctx, d.api("run")...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	return c.GetService(ctx, &runpb.GetServiceRequest{Name: d.located("services", name)})
}

// changed is when a service was last changed, its traffic included; long ago where that is not seen.
func (d Deployment) changed(ctx context.Context, name string) time.Time {
	s, err := d.service(ctx, name)
	if err != nil {
		return time.Time{}
	}
	return s.UpdateTime.AsTime()
}

// located is the name of a resource of the deployment in its region.
func (d Deployment) located(kind, name string) string {
	return fmt.Sprintf("projects/%s/locations/%s/%s/%s-%s", d.Project, d.Region, kind, d.Name, name)
}

func served(ready *runpb.Condition, containers []*runpb.Container, next string) Finding {
	if ready.GetState() != runpb.Condition_CONDITION_SUCCEEDED {
		return Finding{Fail, strings.TrimSpace("Cloud Run does not serve it: " + ready.GetMessage()), next}
	}
	for _, c := range containers {
		if strings.HasPrefix(c.Image, "us-docker.pkg.dev/cloudrun/container/") {
			return Finding{Fail, "it still has the image that stands in for its own", "build and roll out: gcloud builds submit"}
		}
	}
	return pass("Cloud Run serves it")
}

// answers asks the program's HTTP server, not the function behind it: OPTIONS * runs nothing.
func (d Deployment) answers(ctx context.Context, name string) Finding {
	u, err := url.Parse(d.Functions[name])
	if err == nil && u.Host == "" {
		err = errors.New("its address is not known")
	}
	if err != nil {
		return fail(err, d.mend())
	}
	req := (&http.Request{Method: http.MethodOptions, URL: &url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: "*"}}).WithContext(ctx)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fail(err, "see "+name+"'s log in the folder of logs that `studioctl local` shows, and "+d.mend())
	}
	_ = res.Body.Close() // it has none
	if res.StatusCode != http.StatusOK {
		return Finding{Fail, "answers " + res.Status, d.mend()}
	}
	return pass("answers")
}
