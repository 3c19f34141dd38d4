//go:build integration

package vm_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/port"
)

func asAMQP(err error, target **amqp.Error) bool { return errors.As(err, target) }

// attributes are the machine's metadata.
type attributes struct {
	mu     sync.Mutex
	values map[string]string
}

func attributesFrom(t *testing.T) *attributes {
	t.Helper()
	text, err := os.ReadFile("testdata/users.json")
	if err != nil {
		t.Fatal(err)
	}
	return &attributes{values: map[string]string{"studio-users": string(text), "studio-plain": "false", "studio-names": "IP:127.0.0.1"}}
}

func (a *attributes) set(name, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.values[name] = value
}

func (a *attributes) drop(t *testing.T, user string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var all users
	if err := json.Unmarshal([]byte(a.values["studio-users"]), &all); err != nil {
		t.Fatal(err)
	}
	var kept []map[string]json.RawMessage
	for _, u := range all.Users {
		if string(u["name"]) != strconv.Quote(user) {
			kept = append(kept, u)
		}
	}
	all.Users = kept
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	a.values["studio-users"] = string(text)
}

func (a *attributes) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch value, ok := a.values[strings.TrimPrefix(r.URL.Path, "/instance/attributes/")]; {
		case r.Header.Get("Metadata-Flavor") != "Google":
			http.Error(w, "no Metadata-Flavor", http.StatusForbidden)
		case r.URL.Path == "/instance/service-accounts/default/token":
			_, _ = io.WriteString(w, `{"access_token":"a-token"}`)
		case ok:
			_, _ = io.WriteString(w, value)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// vault is Secret Manager, as far as the script uses it.
type vault struct {
	mu       sync.Mutex
	versions map[string][]string
	refused  map[string]bool
}

func (v *vault) put(secret, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.versions[secret] = append(v.versions[secret], text)
}

func (v *vault) latest(secret string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := len(v.versions[secret]); n > 0 {
		return v.versions[secret][n-1]
	}
	return ""
}

func (v *vault) refuse(secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refused[secret] = true
}

func (v *vault) count() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, all := range v.versions {
		n += len(all)
	}
	return n
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, read := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/versions/latest:access")
	name, add := strings.CutSuffix(name, ":addVersion")
	v.mu.Lock()
	refused := v.refused[name]
	v.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer a-token", refused:
		http.Error(w, "denied", http.StatusForbidden)
	case read && v.latest(name) == "":
		http.NotFound(w, r)
	case read:
		_, _ = fmt.Fprintf(w, `{"payload":{"data":%q}}`, base64.StdEncoding.EncodeToString([]byte(v.latest(name))))
	case add:
		var body struct{ Payload struct{ Data []byte } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		v.put(name, string(body.Payload.Data))
		_, _ = io.WriteString(w, "{}")
	default:
		http.NotFound(w, r)
	}
}

// machine is a broker that the scripts have set up.
type machine struct {
	t          *testing.T
	root       string
	env        []string
	attributes *attributes
	secrets    *vault
	ports      map[string]int // by the port that the configuration names
	printed    string
}

// start runs both scripts around the real broker. Nothing but the ports differs from what the machine has.
func start(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), attributes: attributesFrom(t), ports: map[string]int{}}
	m.secrets = &vault{versions: map[string][]string{}, refused: map[string]bool{}}
	for _, secret := range regexp.MustCompile(`projects/[a-z/-]+`).FindAllString(m.attributes.values["studio-users"], -1) {
		m.secrets.put(secret, "not yet written by RabbitMQ's machine")
	}
	server := httptest.NewServer(m.secrets)
	t.Cleanup(server.Close)
	m.env = append(os.Environ(),
		"STUDIO_ROOT="+m.root, "METADATA_URL="+m.attributes.serve(t), "SECRETS_URL="+server.URL,
		"RABBITMQCTL="+filepath.Join(m.root, "rabbitmqctl"),
	)
	for _, part := range []string{"certificate", "config"} {
		if code := setup(t, m.env, part); code != 10 {
			t.Fatalf("setup.sh %s ends with %d; want 10", part, code)
		}
	}
	m.otherPorts()
	m.run()
	m.sync()
	return m
}

// setup runs a part of the start-up script and returns how it ended.
func setup(t *testing.T, env []string, part string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "setup.sh", part)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("setup.sh %s: %v\n%s", part, err, out)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 10 {
		t.Fatalf("setup.sh %s ends with %d:\n%s", part, code, out)
	}
	return cmd.ProcessState.ExitCode()
}

func (m *machine) otherPorts() {
	m.t.Helper()
	file := filepath.Join(m.root, "etc/rabbitmq/rabbitmq.conf")
	text, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, known := range []string{"15671", "15672", "5671", "5672"} {
		free, err := port.Free()
		if err != nil {
			m.t.Fatal(err)
		}
		m.ports[known] = free
		text = regexp.MustCompile(`\b`+known+`\b`).ReplaceAll(text, []byte(strconv.Itoa(free)))
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// run starts the distribution's server with the written configuration, and ends it with the test.
func (m *machine) run() {
	m.t.Helper()
	dist, err := port.Free()
	if err != nil {
		m.t.Fatal(err)
	}
	epmd, err := port.Free()
	if err != nil {
		m.t.Fatal(err)
	}
	etc, state := filepath.Join(m.root, "etc/rabbitmq"), filepath.Join(m.root, "state")
	node := []string{
		"HOME=" + m.root, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "RUNNING_UNDER_SYSTEMD=true",
		"RABBITMQ_NODENAME=vm@localhost", "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + strconv.Itoa(epmd), "RABBITMQ_DIST_PORT=" + strconv.Itoa(dist),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_CONFIG_FILE=" + filepath.Join(etc, "rabbitmq.conf"), "RABBITMQ_CONFIG_FILES=" + filepath.Join(etc, "conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(etc, "advanced.config"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(etc, "enabled_plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(state, "generated"), "RABBITMQ_FEATURE_FLAGS_FILE=" + filepath.Join(state, "feature_flags"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(state, "data"), "RABBITMQ_LOG_BASE=" + filepath.Join(state, "log"), "RABBITMQ_PID_FILE=" + filepath.Join(state, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
	}
	wrapper := "#!/bin/sh\nrm '" + m.busy() + "' 2>/dev/null && exit 69\nexport " + quoted(node) + "\nexec /usr/lib/rabbitmq/bin/rabbitmqctl \"$@\"\n"
	if err := os.WriteFile(filepath.Join(m.root, "rabbitmqctl"), []byte(wrapper), 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.background(node, "epmd", "-port", strconv.Itoa(epmd), "-address", "127.0.0.1")
	log := m.background(node, "/usr/lib/rabbitmq/bin/rabbitmq-server")
	await := exec.CommandContext(m.t.Context(), filepath.Join(m.root, "rabbitmqctl"), "--quiet", "wait", "--timeout", "90", filepath.Join(state, "pid"))
	if out, err := await.CombinedOutput(); err != nil {
		m.t.Fatalf("the broker does not take the configuration: %v\n%s\n%s", err, out, log.String())
	}
}

// busy is a file that makes the next rabbitmqctl say that it does not reach the node.
func (m *machine) busy() string { return filepath.Join(m.root, "busy") }

func quoted(env []string) string {
	var all []string
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		all = append(all, name+"='"+value+"'")
	}
	return strings.Join(all, " ")
}

// background runs a program until the test ends, and returns what it prints.
func (m *machine) background(env []string, name string, args ...string) *buffer {
	m.t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // ended below, by SIGTERM
	out := &buffer{}
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(3*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	return out
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (m *machine) trySync() (string, error) {
	if _, err := os.ReadFile("sync.py"); err != nil { // or Go would take an earlier result for a script that has changed
		m.t.Fatal(err)
	}
	cmd := exec.CommandContext(m.t.Context(), "python3", "-B", "sync.py")
	cmd.Env = m.env
	out, err := cmd.CombinedOutput()
	m.printed += string(out)
	return string(out), err
}

func (m *machine) sync() {
	m.t.Helper()
	if out, err := m.trySync(); err != nil {
		m.t.Fatalf("sync.py: %v\n%s", err, out)
	}
}

func (m *machine) url(user string) string {
	return m.secrets.latest("projects/a-project/secrets/studio-amqp-" + user)
}

// local leads a URL to this machine's port, and takes its parameters away.
func (m *machine) local(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		m.t.Fatal("not a URL")
	}
	u.Host, u.RawQuery = net.JoinHostPort("127.0.0.1", strconv.Itoa(m.ports["5671"])), ""
	return u.String()
}

func (m *machine) tls() *tls.Config {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(m.secrets.latest("projects/a-project/secrets/studio-rabbitmq-ca"))) {
		m.t.Fatal("the published authority is no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
}

func (m *machine) dial(address string) (*amqp.Connection, error) {
	return amqp.DialTLS(m.local(address), m.tls())
}

func (m *machine) channel(user string) *amqp.Channel {
	m.t.Helper()
	conn, err := m.dial(m.url(user))
	if err != nil {
		m.t.Fatalf("%s does not get in: %v", user, err)
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		m.t.Fatal(err)
	}
	return ch
}

func (m *machine) management(user, path string) int {
	m.t.Helper()
	u, err := url.Parse(m.url(user))
	if err != nil {
		m.t.Fatal("not a URL")
	}
	password, _ := u.User.Password()
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", m.ports["15671"], path), nil)
	if err != nil {
		m.t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: m.tls()}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}
