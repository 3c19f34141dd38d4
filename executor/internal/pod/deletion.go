package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// Delete deletes the pod, which is then told to leave like any other, and replaced at once: for an executor whose machine is at
// fault. A container that ended instead would be started again where it is.
func (a *API) Delete(ctx context.Context) error {
	if _, err := a.ask(ctx, http.MethodDelete, nil); err != nil {
		return fmt.Errorf("delete the pod: %w", err)
	}
	return nil
}
