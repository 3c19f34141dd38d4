package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/reporting"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	wire "github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

var readersKey = sync.OnceValue(func() *envelope.PrivateKey {
	key, err := envelope.GeneratePrivateKey(1024)
	if err != nil {
		panic(err)
	}
	return key
})

// tenantsFile lists one tenant, with a report key.
func tenantsFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tenants.json")
	text := fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata","report_key":%q}]}`, readersKey().Public().MarshalPEM())
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// batch is reports of an attempt, given as "state", "log" and "json" and, with a "!" , the last one.
func batch(queue, attempt string, first int, kinds ...string) message.Reports {
	b := message.Reports{Queue: queue, Experiment: "k", Attempt: attempt, Executor: "executor-0"}
	for i, kind := range kinds {
		one := message.Report{ID: fmt.Sprintf("%s/%d", attempt, first+i), Body: body(fmt.Sprint(first + i))}
		var last bool
		if one.Kind, last = strings.CutSuffix(kind, "!"); last {
			one.ID = reporting.EndID(attempt)
		}
		b.Reports = append(b.Reports, one)
	}
	return b
}

// body looks sealed.
func body(text string) string { return "QUI=," + base64.StdEncoding.EncodeToString([]byte(text)) }

func many(kind string, n int) (kinds []string) {
	for range n {
		kinds = append(kinds, kind)
	}
	return kinds
}

// event is what the function is called with.
func event(t *testing.T, b message.Reports) cloudevents.Event {
	t.Helper()
	data, err := b.Data()
	if err != nil {
		t.Fatal(err)
	}
	return eventOf(t, b.Attributes(), data)
}

func eventOf(t *testing.T, attributes map[string]string, data []byte) cloudevents.Event {
	t.Helper()
	content, err := json.Marshal(map[string]any{"message": map[string]any{"attributes": attributes, "data": data, "messageId": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	e := cloudevents.NewEvent()
	e.SetID("1")
	e.SetType(published)
	e.SetSource("//pubsub.googleapis.com/projects/p/topics/studio-reports")
	if err := e.SetData("application/json", json.RawMessage(content)); err != nil {
		t.Fatal(err)
	}
	return e
}

// leftOut is what the bridge's own report says; nothing of another's.
func leftOut(t *testing.T, body string) (lines, jsons string) {
	t.Helper()
	r, err := wire.Open([]byte(body), readersKey())
	if err != nil {
		return "", ""
	}
	if r.GetExecutorId().GetValue() != message.Bridge || r.GetExperimentId().GetValue() != "k" {
		t.Errorf("the note is %v", r)
	}
	fields := r.GetLogging().GetFields()
	return fields["left_out_lines"], fields["left_out_json"]
}
