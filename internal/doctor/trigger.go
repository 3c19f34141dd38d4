package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
)

// eventTrigger is what Eventarc tells of a trigger.
// https://cloud.google.com/eventarc/docs/reference/rest/v1/projects.locations.triggers
type eventTrigger struct {
	Name         string
	UpdateTime   time.Time
	EventFilters []struct{ Attribute, Value string }
	Destination  struct {
		CloudRun struct{ Service, Region string }
	}
	Transport struct {
		Pubsub struct{ Topic, Subscription string }
	}
	Conditions map[string]struct{ Code, Message string } // why it does not work
}

// trigger looks whether Eventarc tells finalize of a store's new objects, and what became of what it told last.
func (d Deployment) trigger(store string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		switch {
		case d.local():
			return notHere("the local cloud has no Eventarc: it calls finalize itself", "")
		case d.Region == "":
			return notHere("the region is not known", nextRegion)
		}
		all, err := d.triggers(ctx)
		if err != nil {
			return d.unanswered("Eventarc's triggers", err)
		}
		t, f := d.triggerOf(all, store)
		if f.Status != Pass {
			return f
		}
		told := f.Says
		if f = d.told(ctx, store, t.Transport.Pubsub.Topic); f.Status != Pass {
			return f
		}
		told += f.Says
		f = d.delivered(ctx, path.Base(t.Transport.Pubsub.Subscription), later(t.UpdateTime, d.changed(ctx, "finalize")), "see the log of the function "+d.Name+"-finalize, and whether the trigger's account may call it")
		f.Says = told + "; " + f.Says
		return f
	}
}

func (d Deployment) triggers(ctx context.Context) (all []eventTrigger, err error) {
	for token := ""; ; {
		var page struct {
			Triggers      []eventTrigger
			NextPageToken string
		}
		if err := d.get(ctx, "eventarc", "/v1/projects/"+d.Project+"/locations/"+d.Region+"/triggers", url.Values{"pageToken": {token}}, &page); err != nil {
			return nil, err
		}
		if all, token = append(all, page.Triggers...), page.NextPageToken; token == "" {
			return all, nil
		}
	}
}

// triggerOf finds a store's trigger, and what is wrong with it.
func (d Deployment) triggerOf(all []eventTrigger, store string) (eventTrigger, Finding) {
	service := d.Name + "-finalize"
	var others []string
	for _, t := range all {
		if !t.filters("type", "google.cloud.storage.object.v1.finalized") || !t.filters("bucket", store) {
			continue
		}
		if to := t.Destination.CloudRun; path.Base(to.Service) != service || to.Region != d.Region {
			others = append(others, path.Base(t.Name)+" calls "+strings.Trim(path.Base(to.Service)+" in "+to.Region, ". "))
			continue
		}
		for _, kind := range slices.Sorted(maps.Keys(t.Conditions)) {
			if c := t.Conditions[kind]; c.Code != "" && c.Code != "OK" {
				return t, Finding{Fail, fmt.Sprintf("Eventarc's trigger %s does not work: %s %s: %s", path.Base(t.Name), kind, c.Code, c.Message),
					"see its service account and its rights; then: gcloud eventarc triggers describe " + path.Base(t.Name) + " --location " + d.Region}
			}
		}
		return t, pass("Eventarc's trigger %s calls %s", path.Base(t.Name), service)
	}
	says := "no Eventarc trigger tells " + service + " of new objects, so that no record is brought up to date"
	if len(others) > 0 {
		says += "; " + strings.Join(others, ", ")
	}
	return eventTrigger{}, Finding{Fail, says, d.mend()}
}

func (t eventTrigger) filters(attribute, value string) bool {
	for _, f := range t.EventFilters {
		if f.Attribute == attribute {
			return f.Value == value
		}
	}
	return false
}

// told looks whether the bucket tells the trigger's own topic. Who may not see that has still seen the trigger.
func (d Deployment) told(ctx context.Context, store, topic string) Finding {
	if topic == "" {
		return pass(" (by which topic, it does not tell)")
	}
	return d.stored(ctx, store, func(b *storage.BucketHandle) Finding {
		tells, err := d.tells(ctx, b, topic)
		switch answer := (*googleapi.Error)(nil); {
		case errors.As(err, &answer) && (answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized):
			return pass(" (the bucket's side of it is not seen)")
		case err != nil:
			return fail(err, d.nextBucket(err, store))
		case !tells:
			return Finding{Fail, "the bucket does not tell Eventarc's topic " + path.Base(topic) + " of new objects: somebody removed its notification",
				"make the trigger anew: terraform apply -replace='module.functions.google_eventarc_trigger.finalize[\"" + store + "\"]'"}
		}
		return pass("")
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
