//go:build integration

// Package vm_test runs what RabbitMQ's machine runs, its two scripts with the users that Terraform gives it, on the real
// RabbitMQ: a broker of its own, with a fake metadata server and a fake Secret Manager beside it.
package vm_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

const exchange = "StudioML.topic"

// declare does what StudioML's client does before it publishes.
func declare(ch *amqp.Channel, queue string) error {
	if err := ch.ExchangeDeclare(exchange, "topic", true, true, false, false, nil); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(queue, "StudioML."+queue, exchange, false, nil)
}

func publish(t *testing.T, ch *amqp.Channel, queue, body string) error {
	t.Helper()
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, "StudioML."+queue, true, false, amqp.Publishing{Body: []byte(body)})
	if err != nil {
		return err
	}
	select {
	case <-confirmation.Done():
		select {
		case r := <-returned:
			t.Fatalf("publish to %s was returned: %s", queue, r.ReplyText)
		default:
		}
		return nil
	case err := <-closed:
		return err
	}
}

// One broker serves all, in this order: each start takes it ten seconds and more.
func TestTheMachinesBroker(t *testing.T) {
	t.Parallel()
	m := start(t)
	for _, tc := range []struct { //nolint:paralleltest // the one broker is changed
		name string
		test func(*testing.T, *machine)
	}{
		{"a tenant submits and reads reports", aTenantSubmitsAndReadsReports},
		{"nobody reaches another's queues", nobodyReachesAnothersQueues},
		{"who gets in", whoGetsIn},
		{"users follow their secrets", usersFollowTheirSecrets},
		{"one secret's fault is its own", oneSecretsFaultIsItsOwn},
		{"no password is printed", noPasswordIsPrinted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m.t = t
			tc.test(t, m)
		})
	}
}

// A client of a tenant does all that clients do with its own queues, whose names others' longer prefixes do not claim.
func aTenantSubmitsAndReadsReports(t *testing.T, m *machine) {
	t.Helper()
	for user, queue := range map[string]string{"vision": "rmq_vision_1", "everyone": "rmq_else", "short": "rmq_a1", "dotted": "rmq_a.b.1"} {
		ch := m.channel(user)
		if err := declare(ch, queue); err != nil {
			t.Fatalf("%s declares %s: %v", user, queue, err)
		}
		if err := publish(t, ch, queue, "request"); err != nil {
			t.Fatalf("%s publishes to %s: %v", user, queue, err)
		}
		if err := declare(ch, queue+"_response"); err != nil {
			t.Fatalf("%s declares its response queue: %v", user, err)
		}
		bridge := m.channel(map[bool]string{false: "bridge", true: "bridge-speech"}[user == "dotted"]) // whose part it is
		if d, ok, err := bridge.Get(queue, true); err != nil || !ok || string(d.Body) != "request" {
			t.Fatalf("the bridge reads %s: %v, %v", queue, ok, err)
		}
		if err := publish(t, bridge, queue+"_response", "report"); err != nil {
			t.Fatalf("the bridge reports to %s: %v", queue, err)
		}
		if d, ok, err := ch.Get(queue+"_response", true); err != nil || !ok || string(d.Body) != "report" {
			t.Fatalf("%s reads its report: %v, %v", user, ok, err)
		}
	}
}

// Each of these is refused with RabbitMQ's own 403.
func nobodyReachesAnothersQueues(t *testing.T, m *machine) {
	t.Helper()
	if err := declare(m.channel("vision"), "rmq_vision_1"); err != nil {
		t.Fatal(err)
	}
	if err := declare(m.channel("everyone"), "rmq_else"); err != nil {
		t.Fatal(err)
	}
	if err := declare(m.channel("short"), "rmq_a1"); err != nil {
		t.Fatal(err)
	}
	if err := declare(m.channel("dotted"), "rmq_a.b.1"); err != nil {
		t.Fatal(err)
	}
	get := func(queue string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { _, _, err := ch.Get(queue, false); return err }
	}
	bind := func(queue, key string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) }
	}
	send := func(queue string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { return publish(t, ch, queue, "forged") }
	}
	for name, tc := range map[string]struct {
		user string
		act  func(*amqp.Channel) error
	}{
		"reads another's requests":               {"vision", get("rmq_else")},
		"reads those of a longer prefix":         {"everyone", get("rmq_vision_1")},
		"reads those of a longer prefix, dotted": {"short", get("rmq_a.b.1")},
		"declares another's queue":               {"vision", func(ch *amqp.Channel) error { return declare(ch, "rmq_else_2") }},
		"declares one of a longer prefix":        {"everyone", func(ch *amqp.Channel) error { return declare(ch, "rmq_vision_2") }},
		"deletes another's queue": {"everyone", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("rmq_vision_1", false, false, false)
			return err
		}},
		"purges another's queue":                  {"vision", func(ch *amqp.Channel) error { _, err := ch.QueuePurge("rmq_else", false); return err }},
		"publishes to another's queue":            {"vision", send("rmq_else")},
		"publishes to one of a longer prefix":     {"everyone", send("rmq_vision_1")},
		"publishes another's reports":             {"vision", send("rmq_else_response")},
		"binds its queue to everybody's requests": {"vision", bind("rmq_vision_1", "#")},
		"binds its queue to another's requests":   {"vision", bind("rmq_vision_1", "StudioML.rmq_else")},
		"binds its queue to a longer prefix's":    {"everyone", bind("rmq_else", "StudioML.rmq_vision_1")},
		"binds its queue by a wildcard":           {"short", bind("rmq_a1", "StudioML.rmq_a.*.1")},
		"publishes by the default exchange":       {"vision", func(ch *amqp.Channel) error { return byDefault(t, ch, "rmq_else") }},
		"declares an exchange of another name": {"vision", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare("tap", "fanout", false, true, false, false, nil)
		}},
		"taps the exchange by one of its own":      {"vision", tap},
		"reads another part as a cluster's bridge": {"bridge-speech", get("rmq_else")},
		"reads like its part, but for the dot":     {"bridge-speech", get("rmq_a1")},
		"reports to another part":                  {"bridge-speech", send("rmq_else_response")},
		"declares a queue as the bridge":           {"bridge", func(ch *amqp.Channel) error { return declare(ch, "rmq_bridge") }},
		"publishes a request as the bridge":        {"bridge", send("rmq_else")},
		"deletes a queue as the bridge":            {"bridge", func(ch *amqp.Channel) error { _, err := ch.QueueDelete("rmq_else", false, false, false); return err }},
		"binds a queue to a request as the bridge": {"bridge", bind("rmq_else", "StudioML.rmq_vision_1")},
	} {
		t.Run(name, func(t *testing.T) {
			m.t = t
			err := tc.act(m.channel(tc.user))
			var refused *amqp.Error
			if !asAMQP(err, &refused) || refused.Code != amqp.AccessRefused {
				t.Errorf("%s: %v; want RabbitMQ's 403", tc.user, err)
			}
		})
	}
}

// tap binds an exchange, which may have the tenant's prefix, to all that is published.
func tap(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare("rmq_vision_tap", "fanout", false, true, false, false, nil); err != nil {
		return nil //nolint:nilerr // the caller wants the refusal of the binding
	}
	return ch.ExchangeBind("rmq_vision_tap", "#", exchange, false, nil)
}

func byDefault(t *testing.T, ch *amqp.Channel, queue string) error {
	t.Helper()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{}); err != nil {
		return err
	}
	return <-closed
}

// The broker is reached with TLS that its published authority vouches for; guest is gone; users cannot look at the management
// API, and the bridge can.
func whoGetsIn(t *testing.T, m *machine) {
	t.Helper()
	if _, err := amqp.DialTLS(m.local(m.url("vision")), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("a client that does not know the authority connects")
	}
	for _, user := range []string{"guest:guest", "vision:wrong"} {
		if conn, err := amqp.DialTLS(m.local("amqps://"+user+"@127.0.0.1:5671/%2f"), m.tls()); err == nil {
			_ = conn.Close()
			t.Errorf("%s gets in", user)
		}
	}
	for user, want := range map[string]int{"bridge": http.StatusOK, "bridge-speech": http.StatusOK, "owner": http.StatusOK, "vision": http.StatusUnauthorized} {
		if got := m.management(user, "/api/queues/%2f"); got != want {
			t.Errorf("the management API answers %s with %d; want %d", user, got, want)
		}
	}
}

// A password is changed by a word in its secret; nobody else's changes. A tenant that is not listed any more is out.
func usersFollowTheirSecrets(t *testing.T, m *machine) {
	t.Helper()
	before, other := m.url("vision"), m.url("short")
	m.secrets.put("projects/a-project/secrets/studio-amqp-vision", "rotate")
	if err := os.WriteFile(m.busy(), nil, 0o600); err != nil { // a machine with much to do, where the first try finds no node
		t.Fatal(err)
	}
	m.sync()
	if _, err := os.Stat(m.busy()); err == nil {
		t.Error("the node was always there: nothing was tried again")
	}
	after := m.url("vision")
	if after == before || !strings.HasPrefix(after, "amqps://vision:") {
		t.Fatal("the password has not changed")
	}
	if _, err := m.dial(before); err == nil {
		t.Error("the old password lets in")
	}
	m.channel("vision")
	if m.url("short") != other {
		t.Error("another's password has changed")
	}
	versions := m.secrets.count()
	m.sync()
	if got := m.secrets.count(); got != versions {
		t.Errorf("a second run added %d versions", got-versions)
	}
	m.attributes.drop(t, "dotted")
	gone := m.url("dotted")
	m.sync()
	if _, err := m.dial(gone); err == nil {
		t.Error("who is no tenant any more gets in")
	}
}

// A secret that cannot be read keeps its own user from working, and nobody else; the run says so and fails.
func oneSecretsFaultIsItsOwn(t *testing.T, m *machine) {
	t.Helper()
	m.secrets.refuse("projects/a-project/secrets/studio-amqp-short")
	m.secrets.put("projects/a-project/secrets/studio-amqp-vision", "rotate")
	out, err := m.trySync()
	if err == nil || !strings.Contains(out, "studio-amqp-short") {
		t.Errorf("sync ends with %v and says %q", err, out)
	}
	m.channel("vision")
	m.channel("short") // with the password that it had
}

// What is printed goes to the machine's log.
func noPasswordIsPrinted(t *testing.T, m *machine) {
	t.Helper()
	for _, user := range []string{"bridge", "vision"} {
		u, err := url.Parse(m.url(user))
		if err != nil {
			t.Fatal(err)
		}
		if password, _ := u.User.Password(); strings.Contains(m.printed, password) {
			t.Errorf("the password of %s is printed", user)
		}
	}
}

// A second run changes nothing; a certificate that lacks a name is made anew by the same authority.
func TestTheCertificateFollowsItsNames(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	names := attributesFrom(t)
	env := append(os.Environ(), "STUDIO_ROOT="+root, "METADATA_URL="+names.serve(t))
	pem := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, "var/lib/rabbitmq/tls", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if code := setup(t, env, "certificate"); code != 10 {
		t.Fatalf("the first run ends with %d; want 10", code)
	}
	authority, server := pem("ca.pem"), pem("server.pem")
	if code := setup(t, env, "certificate"); code != 0 || pem("server.pem") != server {
		t.Fatalf("a second run ends with %d, or makes another certificate", code)
	}
	names.set("studio-names", "IP:127.0.0.1,DNS:rabbit.example.org")
	if code := setup(t, env, "certificate"); code != 10 || pem("server.pem") == server || pem("ca.pem") != authority {
		t.Fatalf("with another name it ends with %d; want 10, another certificate and the same authority", code)
	}
	if code := setup(t, env, "config"); code != 10 {
		t.Errorf("the first configuration ends with %d; want 10", code)
	}
	if code := setup(t, env, "config"); code != 0 {
		t.Errorf("the same configuration ends with %d; want 0", code)
	}
}

// users is the part of testdata/users.json that the tests change.
type users struct {
	Users     []map[string]json.RawMessage `json:"users"`
	Authority string                       `json:"authority_secret"`
}
