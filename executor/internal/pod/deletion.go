package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Deletion is whether somebody deletes the pod, and the grace that it then has from the moment in which the kubelet ends it.
type Deletion struct {
	Asked bool
	Grace time.Duration
}

// Deletion asks the API server. A patch that changes nothing is answered with the pod as it is, and needs no other right than
// that which the executor has.
func (a *API) Deletion(ctx context.Context) (Deletion, error) {
	said, err := a.ask(ctx, http.MethodPatch, []byte("{}"))
	if err != nil {
		return Deletion{}, fmt.Errorf("look whether the pod is deleted: %w", err)
	}
	var pod struct {
		Metadata struct {
			UID       string  `json:"uid"`
			Timestamp *string `json:"deletionTimestamp"`
			Seconds   int64   `json:"deletionGracePeriodSeconds"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(said, &pod); err != nil {
		return Deletion{}, fmt.Errorf("look whether the pod is deleted: %w", err)
	}
	if pod.Metadata.UID == "" {
		return Deletion{}, errors.New("look whether the pod is deleted: the server did not answer with a pod")
	}
	return Deletion{Asked: pod.Metadata.Timestamp != nil, Grace: time.Duration(pod.Metadata.Seconds) * time.Second}, nil
}

// Pauses between two tries to delete the pod.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// Delete deletes the pod, which is then told to leave like any other, and replaced at once: for an executor whose machine is at
// fault. A container that ended instead would be started again where it is. It is tried until the server has taken it, refuses it for
// good, or ctx is done. The server does not mind a pod that is deleted already.
func (a *API) Delete(ctx context.Context, log *slog.Logger) error {
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		_, err := a.ask(ctx, http.MethodDelete, nil)
		if err == nil {
			return nil
		}
		if final(err) || !sleep(ctx, wait) {
			return fmt.Errorf("delete the pod: %w", err)
		}
		if wait == firstPause {
			log.Warn("Kubernetes does not delete this pod yet: it is asked again until it does", "error", err)
		}
	}
}

// final tells whether no other try can help: the account may not, the pod is not there, or a policy forbids it.
func final(err error) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains([]int{http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}, r.code)
}
