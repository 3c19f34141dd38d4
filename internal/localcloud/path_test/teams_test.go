//go:build integration

package path_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/uuid"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// teams is a cloud with three tenants: rmq_lab and rmq_team with a signing key each, and rmq_open, which has none. Clear text is
// refused everywhere. All reports are sealed for one reader.
type teams struct {
	*studio
	request *envelope.PublicKey
	reader  *envelope.PrivateKey
	lab     envelope.SigningKey
	inners  []string // the experiments of the requests that were made
}

func newTeams(t *testing.T) *teams {
	t.Helper()
	s := &teams{reader: newKey(t), lab: newSigningKey(t)}
	tenants := filepath.Join(t.TempDir(), "tenants.json")
	s.write(t, tenants, s.entry("rmq_lab", s.lab), s.entry("rmq_team", newSigningKey(t)), s.entry("rmq_open"))
	s.start(t, tenants, tenants)
	return s
}

// start starts the cloud with the bridge's and the executors' tenants.
func (s *teams) start(t *testing.T, bridge, executors string) {
	t.Helper()
	s.studio = setupWith(t, map[string]string{"TENANTS": bridge, "CLEAR_TEXT_MESSAGES": "false"}, map[string]string{"TENANTS": executors})
	public, err := os.ReadFile(s.cloud.RequestPublicKey)
	if err == nil {
		s.request, err = envelope.ParsePublicKey(public)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *teams) entry(prefix string, keys ...envelope.SigningKey) map[string]any {
	lines := []string{}
	for _, key := range keys {
		lines = append(lines, key.Public().AuthorizedLine(prefix))
	}
	return map[string]any{"prefix": prefix, "store": "local-store", "metadata": "local-metadata", "signing_keys": lines, "report_key": string(s.reader.Public().MarshalPEM())}
}

// write makes a file of tenants, or replaces it in one step.
func (s *teams) write(t *testing.T, path string, entries ...map[string]any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"tenants": entries})
	if err == nil {
		err = os.WriteFile(path+".new", text, 0o600)
	}
	if err := errors.Join(err, os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func newSigningKey(t *testing.T) envelope.SigningKey {
	t.Helper()
	key, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKey(t *testing.T) *envelope.PrivateKey {
	t.Helper()
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// submission is one that no other in the test is like.
func (s *teams) submission(t *testing.T, change func(*client.Submission)) client.Submission {
	t.Helper()
	sub := submission(t, fmt.Sprint(len(s.inners)), `print("hello"); print('{"experiment": {"loss": 1}}')`)
	if change != nil {
		change(&sub)
	}
	return sub
}

// inner is a sound request in clear.
func (s *teams) inner(t *testing.T) []byte {
	t.Helper()
	submitted, body := s.hold(t, s.submission(t, nil))
	s.inners = append(s.inners, submitted.Key)
	return body
}

// sealed is a sound request that is sealed for this cluster.
func (s *teams) sealed(t *testing.T, sign envelope.SigningKey) []byte {
	t.Helper()
	return s.sealFor(t, s.request, sign, "null", s.inner(t))
}

func (s *teams) sealFor(t *testing.T, to *envelope.PublicKey, sign envelope.SigningKey, header string, inner []byte) []byte {
	t.Helper()
	body, err := envelope.New(envelope.Header{Status: "waiting", Resources: json.RawMessage(header)}, inner, to, sign)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// good submits a request that runs.
func (s *teams) good(t *testing.T, queue string) client.Submitted {
	t.Helper()
	sub := s.submission(t, func(sub *client.Submission) { sub.Queue, sub.Seal = queue, &client.Seal{To: s.request, Sign: s.lab} })
	return s.submit(t, sub)
}

// wantReports makes a response queue.
func (s *teams) wantReports(t *testing.T, queue string) {
	t.Helper()
	if err := client.CreateResponseQueue(s.cloud.AMQPURL, queue, report.ResponseQueue(queue)); err != nil {
		t.Fatal(err)
	}
}

// reports takes what is in a response queue.
func (s *teams) reports(ctx context.Context, t *testing.T, queue string) (all []*report.Report) {
	t.Helper()
	reading := client.Responses{AMQPURL: s.cloud.AMQPURL, Queue: report.ResponseQueue(queue), Take: func(m client.Response) (bool, error) {
		r, err := report.Open(m.Body, s.reader)
		if err != nil {
			return false, err
		}
		all = append(all, r)
		return true, nil
	}}
	if err := reading.Read(ctx); err != nil {
		t.Fatal(err)
	}
	return all
}

// told is what reports say: a state, or a line.
func told(reports []*report.Report) (lines []string) {
	for _, r := range reports {
		switch p := r.GetProgress(); {
		case p == nil:
			lines = append(lines, r.GetLogging().GetMessage().GetValue())
		case p.GetJson() != nil:
			lines = append(lines, p.GetJson().GetValue())
		default:
			lines = append(lines, p.GetState().String())
		}
	}
	return lines
}

// publishToPool sends a message as though the bridge had let it pass so long ago that an executor which would not knows better.
func (s *teams) publishToPool(t *testing.T, queue string, body []byte) {
	t.Helper()
	const pool = "local-cpu"
	kind := message.Clear
	if envelope.Detect(body) {
		kind = message.Sealed
	}
	m := message.Relayed{Queue: queue, Pool: pool, Kind: kind, MessageID: message.ID(body), RelayedAt: time.Now().Add(-time.Hour), Data: body}
	messages, err := s.PubSub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	publisher := messages.Publisher("studio-requests-" + pool)
	_, err = publisher.Publish(t.Context(), &pubsub.Message{Data: body, Attributes: m.Attributes()}).Get(t.Context())
	publisher.Stop()
	if err := errors.Join(err, messages.Close()); err != nil {
		t.Fatal(err)
	}
}

// poolSubscriptions are beside those of the executors.
func (s *teams) poolSubscriptions(t *testing.T) (all []*pubsub.Subscriber) {
	t.Helper()
	messages, err := s.PubSub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = messages.Close() }) // nothing was published
	prefix := "projects/" + s.cloud.Project
	for _, pool := range []string{"local-cpu", "local-gpu"} {
		sub, err := messages.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
			Name: prefix + "/subscriptions/path-" + pool + "-" + uuid.NewString(), Topic: prefix + "/topics/studio-requests-" + pool, AckDeadlineSeconds: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, messages.Subscriber(sub.GetName()))
	}
	return all
}
