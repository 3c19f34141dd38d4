package fakegcs

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// A Notification tells that an object was written, as the service's Pub/Sub notifications do
// (https://cloud.google.com/storage/docs/pubsub-notifications).
type Notification struct {
	Bucket     string
	Object     string
	Generation string
	Time       time.Time
	Resource   json.RawMessage // the object resource of the JSON API
}

// Attributes are those of the notification's message.
func (n Notification) Attributes() map[string]string {
	return map[string]string{
		"bucketId":           n.Bucket,
		"objectId":           n.Object,
		"objectGeneration":   n.Generation,
		"eventType":          "OBJECT_FINALIZE",
		"eventTime":          n.Time.UTC().Format(time.RFC3339Nano),
		"payloadFormat":      "JSON_API_V1",
		"notificationConfig": "projects/_/buckets/" + n.Bucket + "/notificationConfigs/1",
	}
}

// notify hands over a notification for each answer that carries a finished object.
func notify(next http.Handler, notifier Notifier, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !writes(r) {
			next.ServeHTTP(w, r)
			return
		}
		answer := &recorder{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if n, ok := answer.finished(); ok {
			if err := notifier.Notify(r.Context(), n); err != nil {
				log.Error("notification could not be published", "bucket", n.Bucket, "object", n.Object, "error", err)
			}
		}
		answer.send(w)
	})
}

// writes tells whether a request may finish an object: the end of an upload, a copy or a composition.
func writes(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return false
	}
	path := r.URL.EscapedPath()
	return strings.HasPrefix(path, "/upload/") || strings.Contains(path, "/rewriteTo/b/") ||
		strings.Contains(path, "/copyTo/b/") || strings.HasSuffix(path, "/compose")
}

// A recorder keeps an answer, a small document, until the notification is out.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header         { return a.header }
func (a *recorder) WriteHeader(status int)      { a.status = status }
func (a *recorder) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *recorder) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client has left
}

// finished reads the object from an answer; the beginning and the middle of a resumable upload carry one without a generation, or
// without being finished.
func (a *recorder) finished() (Notification, bool) {
	if a.status != http.StatusOK || a.header.Get("X-Http-Status-Code-Override") != "" {
		return Notification{}, false
	}
	resource := a.body.Bytes()
	var rewritten struct {
		Resource json.RawMessage `json:"resource"`
	}
	if json.Unmarshal(resource, &rewritten) == nil && rewritten.Resource != nil {
		resource = rewritten.Resource
	}
	var object struct {
		Kind, Bucket, Name, Generation string
	}
	if json.Unmarshal(resource, &object) != nil || object.Kind != "storage#object" || object.Generation == "" || object.Generation == "0" {
		return Notification{}, false
	}
	return Notification{
		Bucket: object.Bucket, Object: object.Name, Generation: object.Generation, Time: time.Now(), Resource: bytes.Clone(resource),
	}, true
}
