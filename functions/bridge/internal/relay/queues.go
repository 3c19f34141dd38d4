package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
)

const (
	discoveryTimeout = 10 * time.Second
	discoveryLimit   = 32 << 20 // bytes of an answer; a queue takes about 100

	// prefetchBytes bounds what one queue's unacknowledged messages take of memory, going by their mean size.
	prefetchBytes = 64 << 20
)

// Queue is a queue to take work from.
type Queue struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`      // as of the last statistics
	Bytes    int64  `json:"message_bytes"` // of their bodies
}

// prefetch returns how many unacknowledged messages the queue may have with us: most, or fewer where they are large.
func (q Queue) prefetch(most int) int {
	if q.Messages == 0 || q.Bytes == 0 {
		return most
	}
	return int(max(1, min(int64(most), prefetchBytes/max(1, q.Bytes/q.Messages))))
}

// Filter tells queues of work from others.
type Filter = queue.Filter

// Directory lists queues through RabbitMQ's management API.
type Directory struct {
	broker Broker
	filter Filter
	client *http.Client
}

// NewDirectory returns a Directory with connections of its own, which Close ends.
func NewDirectory(b Broker, f Filter) *Directory {
	return &Directory{broker: b, filter: f, client: &http.Client{Transport: &http.Transport{}, Timeout: discoveryTimeout}}
}

// Close ends the connections that wait for another question.
func (d *Directory) Close() { d.client.CloseIdleConnections() }

// Queues returns the queues that exist now and hold work for us. Its errors are transient.
func (d *Directory) Queues(ctx context.Context) ([]Queue, error) {
	address := d.broker.management + "/api/queues/" + url.PathEscape(d.broker.vhost) + "?columns=name,messages,message_bytes"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	request.SetBasicAuth(d.broker.user, d.broker.password)
	response, err := d.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list queues: the management API answers %s", response.Status)
	}
	var all []Queue
	if err := json.NewDecoder(io.LimitReader(response.Body, discoveryLimit)).Decode(&all); err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	var wanted []Queue
	for _, q := range all {
		if d.filter.Wants(q.Name) {
			wanted = append(wanted, q)
		}
	}
	return wanted, nil
}
