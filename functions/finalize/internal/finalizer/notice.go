package finalizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// The types of the event that an object was stored: Eventarc's, and that of the functions before it.
const (
	typeFinalized = "google.cloud.storage.object.v1.finalized"
	typeFinalize  = "google.storage.object.finalize"
)

const (
	folder     = "experiments/"
	outputName = "/output.tar"
)

// notice is what is believed of an event: which object to look at.
type notice struct {
	Bucket string `json:"bucket"`
	Name   string `json:"name"`
}

// readNotice reads an event; its errors are permanent.
func readNotice(e cloudevents.Event) (n notice, err error) {
	if e.Type() != typeFinalized && e.Type() != typeFinalize {
		return n, fmt.Errorf("event type %q is not ours", e.Type())
	}
	if err := json.Unmarshal(e.Data(), &n); err != nil {
		return n, fmt.Errorf("read the event's data: %w", err)
	}
	if n.Bucket == "" || n.Name == "" {
		return n, errors.New("the event names no object")
	}
	return n, nil
}

// experiment returns the key of the experiment whose output the object is, if it is one.
func (n notice) experiment() (key string, ok bool) {
	key, found := strings.CutPrefix(n.Name, folder)
	key, named := strings.CutSuffix(key, outputName)
	return key, found && named && request.ValidKey(key) == nil
}
