package report

import (
	"encoding/json"
	"fmt"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// published is the type of the events by which Pub/Sub's messages come: Eventarc sends them so, and the functions framework
// makes them of what a push subscription posts.
const published = "google.cloud.pubsub.topic.v1.messagePublished"

// batchOf reads the batch of an event. Its errors wrap [message.ErrInvalidReports].
func batchOf(e cloudevents.Event) (message.Reports, error) {
	if e.Type() != published {
		return message.Reports{}, fmt.Errorf("%w: an event of type %q", message.ErrInvalidReports, e.Type())
	}
	var content struct {
		Message struct {
			Data       []byte            `json:"data"`
			Attributes map[string]string `json:"attributes"`
		} `json:"message"`
	}
	if err := json.Unmarshal(e.Data(), &content); err != nil {
		return message.Reports{}, fmt.Errorf("%w: the event's data is not that of a Pub/Sub message", message.ErrInvalidReports)
	}
	return message.ReportsFrom(content.Message.Attributes, content.Message.Data)
}
