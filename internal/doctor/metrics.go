package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// series is one line of points of a metric, the newest first.
// https://cloud.google.com/monitoring/api/ref_v3/rest/v3/TimeSeries
type series struct {
	Metric struct{ Labels map[string]string }
	Points []struct {
		Interval struct{ StartTime time.Time }
		Value    struct{ Int64Value string }
	}
}

func onSubscription(subscription, name string) string {
	return fmt.Sprintf(`metric.type="pubsub.googleapis.com/subscription/%s" AND resource.labels.subscription_id="%s"`, name, subscription)
}

// series are what Cloud Monitoring has of a metric.
func (d Deployment) series(ctx context.Context, filter string, since time.Duration) ([]series, error) {
	now := time.Now().UTC()
	var answer struct{ TimeSeries []series }
	err := d.get(ctx, "monitoring", "/v3/projects/"+d.Project+"/timeSeries", url.Values{
		"filter": {filter}, "interval.startTime": {now.Add(-since).Format(time.RFC3339)}, "interval.endTime": {now.Format(time.RFC3339)},
	}, &answer)
	return answer.TimeSeries, err
}

// metric is the newest value that Cloud Monitoring has of a subscription, and whether it has any. Several series are added.
func (d Deployment) metric(ctx context.Context, subscription, name string) (sum int64, known bool, err error) {
	all, err := d.series(ctx, onSubscription(subscription, name), 10*time.Minute)
	for _, s := range all {
		if len(s.Points) == 0 {
			continue
		}
		n, parseErr := strconv.ParseInt(s.Points[0].Value.Int64Value, 10, 64)
		if parseErr != nil {
			return 0, false, fmt.Errorf("read the metric %s: %w", name, parseErr)
		}
		sum, known = sum+n, true
	}
	return sum, known, err
}

func unmeasured() Finding {
	return notHere("Cloud Monitoring has not measured the subscription in the last ten minutes", "try again in ten minutes")
}
