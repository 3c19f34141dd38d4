package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// recently is how far back calls are looked at.
	recently = time.Hour
	// tooLong is how old what waits for a function may be: pushes are repeated after a minute at the latest.
	tooLong = 10 * time.Minute
	// settling is how long a changed service has, before what waits says something about it: metrics come minutes late.
	settling = 15 * time.Minute
)

// calls are what Cloud Monitoring counted of a function's calls.
type calls struct {
	well, ill int64
	classes   []string // of the answers that were ill
}

// counted are the calls whose time lies after since, by the class of their answers.
func (d Deployment) counted(ctx context.Context, filter, label, well string, since time.Time) (c calls, err error) {
	all, err := d.series(ctx, filter, recently)
	if err != nil {
		return c, err
	}
	for _, s := range all {
		class := s.Metric.Labels[label]
		for _, p := range s.Points {
			if p.Interval.StartTime.Before(since) {
				continue
			}
			n, err := strconv.ParseInt(p.Value.Int64Value, 10, 64)
			if err != nil {
				return c, fmt.Errorf("read the metric %s: %w", filter, err)
			}
			if class == well {
				c.well += n
			} else if c.ill += n; n > 0 && !slices.Contains(c.classes, class) {
				c.classes = append(c.classes, class)
			}
		}
	}
	slices.Sort(c.classes)
	return c, nil
}

// judge says what calls of a kind tell about who was called.
func (c calls) judge(kind string, since time.Time, next string) Finding {
	ago := fmt.Sprintf("in the last %s", recently)
	if span := time.Since(since); span < recently {
		ago = fmt.Sprintf("in the %s since its last change", span.Round(time.Second))
	}
	switch {
	case c.well == 0 && c.ill > 0:
		return Finding{Fail, fmt.Sprintf("none of %d %s %s was answered well: %s", c.ill, kind, ago, strings.Join(c.classes, ", ")), next}
	case c.well == 0:
		return pass("no %s %s", kind, ago)
	}
	return pass("%d of %d %s %s were answered well", c.well, c.well+c.ill, kind, ago)
}

// delivered looks at the pushes of a subscription and at what waits in it: whether who is called takes them.
func (d Deployment) delivered(ctx context.Context, subscription string, since time.Time, next string) Finding {
	c, err := d.counted(ctx, onSubscription(subscription, "push_request_count"), "response_class", "ack", since)
	if err != nil {
		return d.unanswered("its pushes are not seen: Cloud Monitoring", err)
	}
	f := c.judge("pushes", since, next)
	oldest, _, err := d.metric(ctx, subscription, "oldest_unacked_message_age")
	switch age := time.Duration(oldest) * time.Second; {
	case err != nil:
		return d.unanswered("what waits for it is not seen: Cloud Monitoring", err)
	case f.Status == Fail:
		return f
	case age > tooLong && time.Since(since) > settling:
		return Finding{Fail, fmt.Sprintf("what waits in %s waits for %s; %s", subscription, age, f.Says), next}
	case age > tooLong:
		return pass("%s; what waits for %s was there before the change", f.Says, age)
	}
	return pass("%s; nothing waits long", f.Says)
}

// answered looks at the calls that reached a service.
func (d Deployment) answered(ctx context.Context, name string, since time.Time, next string) Finding {
	filter := fmt.Sprintf(`metric.type="run.googleapis.com/request_count" AND resource.labels.service_name="%s-%s" AND resource.labels.location="%s"`, d.Name, name, d.Region)
	c, err := d.counted(ctx, filter, "response_code_class", "2xx", since)
	if err != nil {
		return d.unanswered("its answers are not seen: Cloud Monitoring", err)
	}
	return c.judge("calls that reached it", since, next)
}
