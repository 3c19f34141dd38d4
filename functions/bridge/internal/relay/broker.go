package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	dialTimeout = 10 * time.Second // for the connection and its handshakes
	heartbeat   = 10 * time.Second // a broker that is silent for twice as long is gone

	// managementOffset is how far RabbitMQ's management port lies above its AMQP port.
	managementOffset = 10_000
)

// errBrokerURL says nothing of the URL, which holds a password.
var errBrokerURL = errors.New("AMQP_URL is no URL such as amqp://user:password@host:5672/%2f")

// Broker is where RabbitMQ is and who we are to it. It prints as [redacted].
type Broker struct {
	address        string // AMQP URL without foreign parameters, with the password
	vhost          string
	user, password string
	management     string // base URL of the management API, without credentials
}

// ParseBroker reads an AMQP URL, whose query may be meant for another client library, and the URL of the management API,
// which is derived from the first where it is "". Its errors do not quote what they read.
func ParseBroker(address, management string) (Broker, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return Broker{}, errBrokerURL
	}
	u.RawQuery, u.Fragment = ownParameters(u.Query()).Encode(), ""
	parsed, err := amqp.ParseURI(u.String())
	if err != nil {
		return Broker{}, errBrokerURL
	}
	b := Broker{address: u.String(), vhost: parsed.Vhost, user: parsed.Username, password: parsed.Password}
	b.management, err = managementURL(parsed, management)
	return b, err
}

// ownParameters keeps of a URL's query what our client library should see: its TLS files. Other libraries use some of its
// names with values that it refuses.
func ownParameters(query url.Values) url.Values {
	own := url.Values{}
	for _, name := range []string{"cacertfile", "certfile", "keyfile", "server_name_indication"} {
		if query.Has(name) {
			own.Set(name, query.Get(name))
		}
	}
	return own
}

func managementURL(broker amqp.URI, explicit string) (string, error) {
	if explicit == "" {
		scheme := map[string]string{"amqp": "http", "amqps": "https"}[broker.Scheme]
		return scheme + "://" + net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port+managementOffset)), nil
	}
	u, err := url.Parse(explicit)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", errors.New("RABBITMQ_MANAGEMENT_URL is no URL such as http://host:15672")
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// Dial opens a connection, unless ctx ends before it stands. Its errors name the host at most.
func (b Broker) Dial(ctx context.Context) (*amqp.Connection, error) {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("studio bridge")
	stood := func() bool { return true }
	defer func() { stood() }()
	conn, err := amqp.DialConfig(b.address, amqp.Config{
		Heartbeat: heartbeat, Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The handshake of a broker that does not answer ends with ctx: the drain is shorter than the timeout.
			stood = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
			// The library takes the deadline away after the handshake.
			return conn, conn.SetDeadline(time.Now().Add(dialTimeout))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return conn, nil
}

const redacted = "[redacted]"

// String hides the password.
func (Broker) String() string { return redacted }

// GoString hides the password.
func (Broker) GoString() string { return redacted }

// LogValue hides the password.
func (Broker) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the password.
func (Broker) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
