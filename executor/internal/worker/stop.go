package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// maxStatus bounds a client's status.json with the archive around it, which Python's tarfile makes 10 KiB at least.
const maxStatus = 64 << 10

// stopAsked looks for the stop request that clients which do not write the record leave: the artifact _status, whose
// status.json says "stopped". A request that cannot be read stops nothing, and is looked for again at the next heartbeat.
func (a *attempt) stopAsked(ctx context.Context) bool {
	look, cancel := context.WithTimeout(ctx, a.w.Heartbeat)
	defer cancel()
	asked, err := a.readStatus(look)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("stop request not readable, looking again at the next heartbeat", "error", err)
	}
	return asked
}

func (a *attempt) readStatus(ctx context.Context) (stopped bool, err error) {
	art, named := a.req.Experiment.Artifacts[labelStatus]
	if !named {
		return false, nil
	}
	object, opener, err := a.readable(art)
	if err != nil {
		return false, err
	}
	data, info, err := artifact.ReadFile(ctx, opener, object, "status.json", maxStatus)
	if errors.Is(err, artifact.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the stop request: %w", err)
	}
	if info.Updated.Before(a.sent().Truncate(time.Second)) { // for an earlier run of the same name; S3 tells seconds
		return false, nil
	}
	var status struct{ Key, Status string }
	if err := json.Unmarshal(data, &status); err != nil {
		return false, fmt.Errorf("read the stop request from status.json: %w", err)
	}
	return status.Key == a.ref.Key && status.Status == string(record.Stopped), nil
}

// sent is when the request was sent: by its client's clock, unless that is ahead of the bridge's.
func (a *attempt) sent() time.Time {
	if added := a.req.Experiment.TimeAdded; added.Before(a.relayed.RelayedAt) {
		return added
	}
	return a.relayed.RelayedAt
}
