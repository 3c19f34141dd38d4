//go:build integration

package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// builtCloud starts a real local cloud of the programs as they are.
func builtCloud(t *testing.T) (*localcloud.Cloud, Deployment) {
	t.Helper()
	bin := t.TempDir()
	const module = "github.com/leaf-ai/studio-cloud-runner/"
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", module+"executor", module+"functions/bridge/cmd/bridge", module+"functions/finalize/cmd/finalize")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	if os.Geteuid() == 0 { // the executors' users go through it
		if err := os.Chmod(bin, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c, err := localcloud.Start(t.Context(), localcloud.Options{Dir: filepath.Join(t.TempDir(), "cloud"), Temporary: true, Bin: bin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	pools, err := pool.Load(c.Pools)
	if err != nil {
		t.Fatal(err)
	}
	return c, Deployment{
		Deployment: client.Deployment{AMQPURL: c.AMQPURL, Project: c.Project, Store: c.Store, Metadata: c.Metadata, StorageEmulator: c.StorageURL, PubSubEmulator: c.PubSubHost},
		Management: c.ManagementURL, EventsTopic: "studio-events", Name: "studio", Pools: pools, Functions: c.Functions,
		Buckets: []string{c.Store, c.Metadata}, Stores: []string{c.Store},
	}
}

// lines runs all checks.
func lines(t *testing.T, d Deployment) map[string]Finding {
	t.Helper()
	found := map[string]Finding{}
	if _, err := Run(t.Context(), d.Checks(), 20*time.Second, func(l Line) error {
		found[l.Check] = l.Finding
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// The cloud is broken part by part, and what was not broken passes as before; so one cloud is enough.
func TestWhatIsBrokenInALocalCloudIsFoundWithWhatToDo(t *testing.T) {
	t.Parallel()
	c, d := builtCloud(t)
	for name, f := range lines(t, d) {
		want := Pass
		kind, _, _ := strings.Cut(name, " ")
		if slices.Contains([]string{"scheduler", "keys", "gpu quota", "dead letter rights"}, name) || kind == "executors" || kind == "trigger" {
			want = NotHere
		}
		if f.Status != want || f.Status == NotHere && f.Says == "" {
			t.Errorf("%s of a sound cloud: %+v; want %s", name, f, want)
		}
	}
	expectNoTraces(t, c)
	messages, err := d.PubSub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = messages.Close() }()                              // nothing depends on it
	t.Run("addresses", func(t *testing.T) { wrongAddresses(t, d) })      //nolint:paralleltest // before what is broken next
	t.Run("pubsub", func(t *testing.T) { brokenPubSub(t, d, messages) }) //nolint:paralleltest // one after the other
	t.Run("rabbitmq", func(t *testing.T) { brokenRabbitMQ(t, c, d) })    //nolint:paralleltest // one after the other
}

// expectNoTraces looks for objects that the checks left.
func expectNoTraces(t *testing.T, c *localcloud.Cloud) {
	t.Helper()
	for _, bucket := range []string{c.Store, c.Metadata} {
		res, err := http.Get(c.StorageURL + "/storage/v1/b/" + bucket + "/o?prefix=" + url.QueryEscape(Prefix)) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1<<12)
		n, _ := res.Body.Read(text)
		_ = res.Body.Close()
		if strings.Contains(string(text[:n]), `"name"`) {
			t.Errorf("%s holds %s", bucket, text[:n])
		}
	}
}

func wrongAddresses(t *testing.T, d Deployment) {
	t.Helper()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ill := d
	ill.Functions = map[string]string{"relay": gone.URL}
	ill.Buckets, ill.Stores = []string{"no-such-bucket"}, []string{"no-such-bucket"}
	ill.EventsTopic = "no-such-topic"
	ill.Pools = pool.List{{Name: "other", Kind: pool.KindGKE}}
	ill.AMQPURL = strings.Replace(d.AMQPURL, "@", "hunter2@", 1) // after the password
	found := lines(t, ill)
	expect(t, found["function relay"], Fail, "connection refused", "studioctl local")
	expect(t, found["function report"], Fail, "address is not known", "studioctl local")
	expect(t, found["bucket no-such-bucket"], Fail, "write an object", "bucket's name")
	expect(t, found["notifications no-such-bucket"], Fail, "write an object", "bucket's name")
	expect(t, found["pubsub no-such-topic"], Fail, "no-such-topic", "studioctl local")
	expect(t, found["pubsub studio-requests-other"], Fail, "studio-requests-other", "studioctl local")
	expect(t, found["rabbitmq"], Fail, "username or password not allowed", "password in the AMQP URL")
	expect(t, found["rabbitmq management"], Fail, "401", "mend the password")
	for name, f := range found {
		if strings.Contains(f.Says+f.Next, "hunter2") {
			t.Errorf("%s shows the password: %+v", name, f)
		}
	}
	ill.AMQPURL = d.AMQPURL[:strings.LastIndex(d.AMQPURL, "/")] + "/nowhere"
	expect(t, examined(t, ill, "rabbitmq"), Fail, "connect to RabbitMQ", "virtual host")
	expect(t, examined(t, ill, "rabbitmq management"), Fail, "404", "virtual host")
	ill.AMQPURL = ""
	expect(t, examined(t, ill, "rabbitmq"), NotHere, "where RabbitMQ is", "AMQP_URL")
	expect(t, examined(t, ill, "rabbitmq management"), NotHere, "where RabbitMQ is", "AMQP_URL")
	d.StorageEmulator, d.PubSubEmulator = gone.URL, strings.TrimPrefix(gone.URL, "http://")
	d.Pools = nil
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	expect(t, d.bucket(d.Store)(ctx), Fail, "write an object", "address is right")
	expect(t, d.topic(d.EventsTopic)(ctx), Fail, "topic studio-events", "addresses are right")
}

func brokenPubSub(t *testing.T, d Deployment, c *pubsub.Client) {
	t.Helper()
	admin, name := c.SubscriptionAdminClient, pool.Topic(d.Pools[0].Name)
	remake := func(s *pb.Subscription) {
		t.Helper()
		if err := admin.DeleteSubscription(t.Context(), &pb.DeleteSubscriptionRequest{Subscription: s.Name}); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CreateSubscription(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	sound := func(name string) *pb.Subscription {
		t.Helper()
		s, err := admin.GetSubscription(t.Context(), &pb.GetSubscriptionRequest{Subscription: d.subscriptionName(name)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := sound(name)
	s.EnableExactlyOnceDelivery, s.DeadLetterPolicy = false, nil
	remake(s)
	expect(t, examined(t, d, "pubsub "+name), Fail, "exactly-once delivery is off", "studioctl local")
	expect(t, examined(t, d, "pubsub "+name), Fail, "dead letters go to", "studioctl local")
	s.Topic = d.topicName("studio-events")
	remake(s)
	expect(t, examined(t, d, "pubsub "+name), Fail, "not on the topic of its name", "studioctl local")
	s = sound(reports)
	s.EnableMessageOrdering = false
	remake(s)
	expect(t, examined(t, d, "pubsub "+reports), Fail, "ordering is off", "studioctl local")
	if _, err := c.Publisher(deadLetters).Publish(t.Context(), &pubsub.Message{Data: []byte("x")}).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is given back, so that it is seen again
		expect(t, examined(t, d, "dead letters"), Warn, "1 or more wait", "gcloud pubsub subscriptions pull studio-dead-letters")
	}
	if err := c.TopicAdminClient.DeleteTopic(t.Context(), &pb.DeleteTopicRequest{Topic: d.topicName(artifacts)}); err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "notifications "+d.Store), Fail, "subscribe to "+artifacts, "studioctl local")
	if err := admin.DeleteSubscription(t.Context(), &pb.DeleteSubscriptionRequest{Subscription: d.subscriptionName(deadLetters)}); err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "dead letters"), Fail, "subscription studio-dead-letters", "studioctl local")
	expect(t, examined(t, d, "pubsub "+deadLetters), Fail, "subscription studio-dead-letters", "studioctl local")
}

func brokenRabbitMQ(t *testing.T, c *localcloud.Cloud, d Deployment) {
	t.Helper()
	// An exchange that is not the clients'.
	conn, err := amqp.Dial(d.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	channel, err := conn.Channel()
	if err == nil {
		err = channel.ExchangeDelete(exchange, false, false)
	}
	if err == nil {
		err = channel.ExchangeDeclare(exchange, amqp.ExchangeFanout, true, false, false, false, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "rabbitmq"), Fail, "declare the exchange", "durable topic exchange")
	if err := channel.ExchangeDelete(exchange, false, false); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close() // nothing depends on it
	user(t, d, "stranger", "", `{"configure":"^$","write":"^$","read":"^$"}`)
	u, err := url.Parse(d.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("stranger", "secret")
	ill := d
	ill.AMQPURL = u.String()
	expect(t, examined(t, ill, "rabbitmq"), Fail, "ACCESS_REFUSED", "set_permissions")
	expect(t, examined(t, ill, "rabbitmq management"), Fail, "answers 401", "set_user_tags USER management")
	// A tenant's user, whose rights end at its queues and the exchange.
	user(t, d, "tenant", "management", `{"configure":"^(rmq_lab.*|StudioML\\.topic)$","write":"^(rmq_lab.*|StudioML\\.topic)$","read":"^(rmq_lab.*|StudioML\\.topic)$"}`)
	u.User = url.UserPassword("tenant", "secret")
	d.AMQPURL = u.String()
	expect(t, examined(t, d, "rabbitmq"), Fail, "declare the queue", "queues of its prefix")
	d.Queue = "rmq_lab"
	expect(t, examined(t, d, "rabbitmq"), Pass, "consumed", "")
	if err := c.Broker.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "rabbitmq"), Fail, "connect to RabbitMQ", "whether RabbitMQ is up")
	expect(t, examined(t, d, "rabbitmq management"), Fail, "refused", "rabbitmq-plugins enable")
}

// user makes one with the password "secret".
func user(t *testing.T, d Deployment, name, tags, rights string) {
	t.Helper()
	admin, err := amqp.ParseURI(d.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, put := range [][2]string{{"/api/users/" + name, fmt.Sprintf(`{"password":"secret","tags":%q}`, tags)}, {"/api/permissions/%2f/" + name, rights}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.Management+put[0], strings.NewReader(put[1]))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(admin.Username, admin.Password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode/100 != 2 {
			t.Fatalf("%s: %s", put[0], res.Status)
		}
	}
}
