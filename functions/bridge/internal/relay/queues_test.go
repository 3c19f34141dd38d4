package relay

import (
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// closedPort returns an address of this machine where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// managed returns a Directory on a management API that answers with status and body, and the requests that it got.
func managed(t *testing.T, f Filter, status int, body string) (*Directory, *[]*http.Request) {
	t.Helper()
	var got []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	b, err := ParseBroker("amqp://user:s3cret@rabbit/a%2fb", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDirectory(b, f)
	t.Cleanup(d.Close)
	return d, &got
}

func TestQueuesOfWorkAreFound(t *testing.T) {
	t.Parallel()
	f := Filter{Match: regexp.MustCompile(`^rmq_.*$`), Mismatch: regexp.MustCompile(`_old$`)}
	d, requests := managed(t, f, http.StatusOK, `[{"name":"rmq_a","messages":10,"message_bytes":60000},{"name":"rmq_a_response"},
		{"name":"other"},{"name":"rmq_b"},{"name":"rmq_c_old"}]`)
	got, err := d.Queues(t.Context())
	if want := []Queue{{Name: "rmq_a", Messages: 10, Bytes: 60000}, {Name: "rmq_b"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Queues = %v, %v; want %v", got, err, want)
	}
	r := (*requests)[0]
	if user, password, _ := r.BasicAuth(); r.URL.EscapedPath() != "/api/queues/a%2Fb" || user != "user" || password != "s3cret" {
		t.Errorf("asked for %s as %s", r.URL.EscapedPath(), user)
	}
}

func TestQueuesThatCannotBeListedAreAnError(t *testing.T) {
	t.Parallel()
	f := Filter{Match: regexp.MustCompile(``)}
	for name, answer := range map[string]struct {
		status int
		body   string
	}{"refused": {http.StatusUnauthorized, `{}`}, "no JSON": {http.StatusOK, `<html>`}} {
		d, _ := managed(t, f, answer.status, answer.body)
		if got, err := d.Queues(t.Context()); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: Queues = %v, %v", name, got, err)
		}
	}
	b, err := ParseBroker("amqp://user:s3cret@rabbit", "http://user:s3cret@"+closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := NewDirectory(b, f).Queues(t.Context()); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("unreachable: Queues = %v, %v", got, err)
	}
}

func TestTheWindowShrinksWithLargeMessages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		queue Queue
		want  int
	}{
		"unknown":             {Queue{}, 256},
		"small":               {Queue{Messages: 1000, Bytes: 6_000_000}, 256},
		"1 MiB each":          {Queue{Messages: 10, Bytes: 10 << 20}, 64},
		"larger than the sum": {Queue{Messages: 1, Bytes: 1 << 30}, 1},
		"less than a byte":    {Queue{Messages: 10, Bytes: 1}, 256},
	}
	for name, tc := range tests {
		if got := tc.queue.prefetch(256); got != tc.want {
			t.Errorf("%s: window of %d; want %d", name, got, tc.want)
		}
	}
}
