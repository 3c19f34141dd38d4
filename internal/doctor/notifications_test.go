package doctor

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc/codes"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
)

// tells publishes what happens in buckets, as Cloud Storage does where a bucket has a notification.
type tells struct {
	to    *pstest.Server
	topic string
}

func (n tells) Notify(_ context.Context, note fakegcs.Notification) error {
	if n.topic != "" {
		n.to.Publish(n.topic, note.Resource, note.Attributes())
	}
	return nil
}

// ends ends the time of a check when it asks.
type ends func()

func (e ends) React(any) (handled bool, ret any, err error) {
	e()
	return false, nil, nil
}

// stores is a Google deployment with a store that tells of its objects or does not. Of its notifications it says what it is told to.
func stores(t *testing.T, answers map[string]string, silent bool, options ...pstest.ServerReactorOption) (Deployment, *pstest.Server) {
	t.Helper()
	d := google(t, answers)
	server := messages(t, &d, options...)
	n := tells{to: server}
	if !silent {
		n.topic = d.topicName(artifacts)
	}
	objects, err := fakegcs.Start(t.Context(), []string{"a-store", "shared"}, n, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	google, at := proxy(t, d.StorageEmulator), proxy(t, objects.URL)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/notificationConfigs") || answers[r.URL.Path] == "403" {
			google.ServeHTTP(w, r)
			return
		}
		at.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	d.StorageEmulator = front.URL
	return d, server
}

func proxy(t *testing.T, address string) *httputil.ReverseProxy {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
}

func TestANewObjectMustReallyBeTold(t *testing.T) {
	t.Parallel()
	both := map[string]string{notices: notice(artifacts, "")}
	refused := pstest.WithErrorInjection("CreateSubscription", codes.PermissionDenied, "you may not")
	unread := pstest.WithErrorInjection("Pull", codes.PermissionDenied, "you may not")
	undone := pstest.WithErrorInjection("DeleteSubscription", codes.PermissionDenied, "you may not")
	tests := map[string]struct {
		answers    map[string]string
		silent     bool
		options    []pstest.ServerReactorOption
		status     Status
		says, next string
	}{
		"told":                     {both, false, nil, Pass, "was told to the topic studio-artifacts", ""},
		"set up, but not told":     {both, true, nil, Fail, "nobody is told of new objects", "terraform apply"},
		"may not subscribe":        {both, false, []pstest.ServerReactorOption{refused}, NotHere, "was not tried", "roles/pubsub.editor"},
		"may not read":             {both, false, []pstest.ServerReactorOption{unread}, NotHere, "was not tried", "roles/pubsub.editor"},
		"may not try, nothing set": {map[string]string{notices: `{}`}, false, []pstest.ServerReactorOption{refused}, Fail, "tells the topic studio-artifacts nothing", "terraform apply"},
		"may not try, only others": {map[string]string{notices: notice("eventarc-t", "")}, false, []pstest.ServerReactorOption{refused}, Fail, "nothing of new objects", "terraform apply"},
		"may neither try nor look": {map[string]string{notices: "403"}, false, []pstest.ServerReactorOption{refused}, NotHere, "you may not", "storage.buckets.get"},
		"may not take itself away": {both, false, []pstest.ServerReactorOption{undone}, Warn, "was told to the topic studio-artifacts; delete the subscription", "gcloud pubsub subscriptions delete studio-doctor-"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if tc.silent { // for as long as the doctor waits
				tc.options = append(tc.options, pstest.ServerReactorOption{FuncName: "Pull", Reactor: ends(stop)})
			}
			d, server := stores(t, tc.answers, tc.silent, tc.options...)
			expect(t, d.notifications("a-store")(ctx), tc.status, tc.says, tc.next)
			left, err := server.GServer.ListSubscriptions(t.Context(), &pubsubpb.ListSubscriptionsRequest{Project: "projects/p"})
			if err != nil {
				t.Fatal(err)
			}
			if tc.status != Warn && len(left.Subscriptions) > 0 {
				t.Errorf("it leaves the subscriptions %v", left.Subscriptions)
			}
		})
	}
}

func TestTheSubscriptionOfADoctorThatIsKilledGoesByItself(t *testing.T) {
	t.Parallel()
	undone := pstest.WithErrorInjection("DeleteSubscription", codes.PermissionDenied, "you may not")
	d, server := stores(t, map[string]string{notices: notice(artifacts, "")}, false, undone)
	expect(t, d.notifications("a-store")(t.Context()), Warn, "delete the subscription", "after a day")
	left, err := server.GServer.ListSubscriptions(t.Context(), &pubsubpb.ListSubscriptionsRequest{Project: "projects/p"})
	if err != nil || len(left.Subscriptions) != 1 {
		t.Fatalf("there are %v, %v; want one subscription", left, err)
	}
	s := left.Subscriptions[0]
	if s.ExpirationPolicy.GetTtl().AsDuration() != 24*time.Hour || !strings.HasPrefix(s.Filter, `attributes.objectId = "`+Prefix) {
		t.Errorf("it leaves %v; want one that expires and gets one object's notices", s)
	}
}

func TestBucketsThatExecutorsOnlyReadAreReadAndNotWritten(t *testing.T) {
	t.Parallel()
	const list = "/storage/v1/b/shared/o"
	d, _ := stores(t, map[string]string{}, true)
	d.Readable = []string{"shared", "gone"}
	expect(t, examined(t, d, "bucket shared"), Pass, "is empty", "")
	c, err := d.Storage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	if err := write(t.Context(), c.Bucket("shared").Object("data.tar")); err != nil {
		t.Fatal(err)
	}
	expect(t, examined(t, d, "bucket shared"), Pass, "listed and read, by who signed in here", "")
	expect(t, examined(t, d, "bucket gone"), Fail, "list the objects", "tenants' buckets")
	d, _ = stores(t, map[string]string{list: "403"}, true)
	d.Readable = []string{"shared"}
	expect(t, examined(t, d, "bucket shared"), NotHere, "whether executors may is not seen", "get-iam-policy gs://shared")
}
