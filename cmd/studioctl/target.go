package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
)

// target is a deployment with all that commands need to know of it.
type target struct {
	client.Deployment
	Context     string   `json:"-"`
	Queue       string   `json:"queue,omitempty"` // for submissions that name none
	EventsTopic string   `json:"events_topic"`
	RequestKey  string   `json:"request_key"` // file of the public key that requests are sealed with
	SigningKey  string   `json:"signing_key"` // file of the key that sealed requests are signed with
	SealedQueue string   `json:"sealed_queue"`
	ReportKey   string   `json:"report_key,omitempty"`   // file of the key that opens reports
	Pools       string   `json:"pools"`                  // JSON, or the file of it
	Tenants     string   `json:"tenants"`                // file
	SigningKeys string   `json:"signing_keys,omitempty"` // folder
	ReportKeys  string   `json:"report_keys,omitempty"`  // folder
	ClearText   bool     `json:"clear_text"`
	S3Hosts     []string `json:"s3_hosts"`                  // whose S3 protocol is Cloud Storage's
	RequestKeys string   `json:"request_keys,omitempty"`    // file of the key that opens sealed requests; the local cloud's
	Passphrase  string   `json:"passphrase_file,omitempty"` // file of its passphrase

	amqp            value // where the URL comes from
	clearTextUnsaid bool
}

// targetFlags say which deployment a command is for.
type targetFlags struct {
	context, project, store, metadata string
}

func (t *targetFlags) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&t.context, "context", "", "context to use (STUDIOCTL_CONTEXT); studioctl context list shows them")
	f.StringVar(&t.project, "project", "", "Google Cloud project (GOOGLE_CLOUD_PROJECT)")
	f.StringVar(&t.store, "store", "", "bucket of the artifacts (STUDIO_STORE)")
	f.StringVar(&t.metadata, "metadata", "", "bucket of the records (STUDIO_METADATA)")
}

// value is a setting's value and where it comes from.
type value struct{ text, from string }

// resolved is what flags, environment and context together say.
type resolved struct {
	context string // "" where flags and environment say everything
	values  map[string]value
}

// resolve finds each setting: flags before the environment, the environment before the context. The local cloud is taken
// whole, or not at all.
func (a *app) resolve() (resolved, error) {
	c, err := a.readConfig()
	if err != nil {
		return resolved{}, err
	}
	name, explicit := a.contextName(c)
	context, err := c.find(name)
	if err != nil {
		return resolved{}, err
	}
	r := resolved{context: name, values: map[string]value{}}
	flags := map[string]string{"project": a.target.project, "store": a.target.store, "metadata": a.target.metadata}
	for _, s := range knownSettings() {
		if text := cmp.Or(flags[s.name], a.lookup(s.env)); text != "" {
			from := s.env
			if flags[s.name] != "" {
				from = "--" + s.flag()
			}
			r.values[s.name] = value{s.absolute(text, ".", a.home()), from}
		} else if text := context[s.name]; text != "" {
			r.values[s.name] = value{text, "context " + name}
		}
	}
	flagged := flags["project"]+flags["store"]+flags["metadata"] != ""
	switch {
	case name != localContext:
	case explicit && flagged:
		return r, &exitError{code: exitUsage, err: errors.New("the local cloud has a project and buckets of its own: leave out --project, --store and --metadata, or name another --context")}
	case !explicit && (flagged || r.values["store"].text+r.values["metadata"].text != ""):
		r.context = ""
	}
	return r, nil
}

// contextName is the context to use, and whether this call names it.
func (a *app) contextName(c *config) (name string, explicit bool) {
	name, explicit = a.contextNamed()
	return cmp.Or(name, c.Current, localContext), explicit
}

// contextNamed is the context that this call names, if it does.
func (a *app) contextNamed() (name string, explicit bool) {
	name = cmp.Or(a.target.context, a.lookup("STUDIOCTL_CONTEXT"))
	return name, name != ""
}

// lookup is a variable of the environment; "" has none.
func (a *app) lookup(name string) string {
	if name == "" {
		return ""
	}
	text, _ := a.env.Lookup(name)
	return text
}

// deployment finds the deployment that a command is for.
func (a *app) deployment() (target, error) {
	r, err := a.resolve()
	if err != nil {
		return target{}, err
	}
	if r.context == localContext {
		state, err := a.readState()
		state.Context = localContext
		return state.target, err
	}
	get := func(name string) string { return r.values[name].text }
	t := target{
		Context: r.context, Queue: get("queue"), EventsTopic: cmp.Or(get("events_topic"), "studio-events"),
		RequestKey: get("request_key"), SigningKey: get("signing_key"), Pools: get("pools"), Tenants: get("tenants"),
		ClearText: strings.EqualFold(get("clear_text"), "true"), clearTextUnsaid: get("clear_text") == "", S3Hosts: []string{"storage.googleapis.com"}, amqp: r.broker(),
		Deployment: client.Deployment{
			Project: get("project"), Store: get("store"), Metadata: get("metadata"),
			S3Endpoint:      cmp.Or(get("s3_endpoint"), "https://storage.googleapis.com"),
			StorageEmulator: a.lookup("STORAGE_EMULATOR_HOST"), PubSubEmulator: a.lookup("PUBSUB_EMULATOR_HOST"),
		},
	}
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("%s: give --project, --store and --metadata, or complete the context %q with `studioctl context set`, or leave out all of them for the local cloud",
			strings.ReplaceAll(err.Error(), "\n", ", "), cmp.Or(r.context, "NAME"))
	}
	return t, nil
}

// broker chooses among the three ways to give RabbitMQ's URL: the variable AMQP_URL comes before those of the context.
func (r resolved) broker() value {
	for _, name := range []string{"amqp_url", "amqp_url_env", "amqp_url_file"} {
		if v := r.values[name]; v.text != "" {
			return value{v.text, name}
		}
	}
	return value{}
}

// dialable completes the target with RabbitMQ's URL, which only submissions need.
func (a *app) dialable(t target) (target, error) {
	switch t.amqp.from {
	case "amqp_url":
		t.AMQPURL = t.amqp.text
	case "amqp_url_env":
		if t.AMQPURL = a.lookup(t.amqp.text); t.AMQPURL == "" {
			return t, fmt.Errorf("the variable %s, which holds RabbitMQ's URL for the context %s, is not set: set it", t.amqp.text, t.Context)
		}
	case "amqp_url_file":
		text, err := os.ReadFile(t.amqp.text)
		if err != nil {
			return t, fmt.Errorf("read RabbitMQ's URL (amqp_url_file of the context %s): %w", t.Context, err)
		}
		t.AMQPURL = strings.TrimSpace(string(text))
	}
	if t.AMQPURL == "" {
		return t, errors.New("nothing says where RabbitMQ is: set AMQP_URL, or `studioctl context set NAME --amqp-url-file FILE`")
	}
	return t, nil
}

// withoutPassword is an AMQP URL as it may be shown.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "(not an AMQP URL: it looks like amqp://user:password@host:5672/%2f)"
	}
	if _, has := u.User.Password(); !has {
		return address
	}
	return u.Scheme + "://" + u.User.Username() + ":[redacted]@" + u.Host + u.EscapedPath()
}

// connect opens a client for the deployment.
func (a *app) connect(ctx context.Context) (*client.Client, target, error) {
	t, err := a.deployment()
	if err != nil {
		return nil, t, err
	}
	c, err := client.New(ctx, t.Deployment)
	return c, t, err
}
