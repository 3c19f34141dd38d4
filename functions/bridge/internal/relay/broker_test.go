package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func TestABrokerIsReadFromTheURLsThatUsersHave(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		address, management string
		want                Broker
	}{
		"foreign parameters": {
			address: "amqp://user:pass@rabbit:5673/%2f?connection_attempts=30&retry_delay=.5&socket_timeout=5&heartbeat=.5&channel_max=x",
			want: Broker{address: "amqp://user:pass@rabbit:5673/%2f", vhost: "/", user: "user", password: "pass",
				management: "http://rabbit:15673"},
		},
		"defaults": {
			address: "amqp://rabbit",
			want:    Broker{address: "amqp://rabbit", vhost: "/", user: "guest", password: "guest", management: "http://rabbit:15672"},
		},
		"TLS": {
			address: "amqps://u:p@rabbit/lab?cacertfile=%2Fca.pem&heartbeat=1",
			want: Broker{address: "amqps://u:p@rabbit/lab?cacertfile=%2Fca.pem", vhost: "lab", user: "u", password: "p",
				management: "https://rabbit:15671"},
		},
		"escaped password": {
			address: "amqp://u:p%40ss%2F@[::1]:5672/a%2fb",
			want: Broker{address: "amqp://u:p%40ss%2F@[::1]:5672/a%2fb", vhost: "a/b", user: "u", password: "p@ss/",
				management: "http://[::1]:15672"},
		},
		"management URL": {
			address: "amqp://u:p@rabbit/", management: "https://x:y@admin:443/rabbit/?q=1",
			want: Broker{address: "amqp://u:p@rabbit/", vhost: "/", user: "u", password: "p", management: "https://admin:443/rabbit"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := ParseBroker(tc.address, tc.management); err != nil || got != tc.want {
				// Not %v: it would show nothing.
				t.Errorf("ParseBroker = %q %q %q, %v", got.address, got.vhost, got.management, err)
			}
		})
	}
}

func TestAFaultyURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"amqp://user:s3cr%et@rabbit", "amqp://user:s3cr/et@rabbit", "http://user:s3cret@rabbit", "amqp://user:s3cret@rabbit:port/",
		"user:s3cret@rabbit", "amqp://user:s3cr et@rabbit", "amqp://user:s3cret@", "\x7famqp://user:s3cret@rabbit", "amqp://user:s3cret@rabbit:99999999999/",
	} {
		_, err := ParseBroker(address, "")
		if err == nil {
			t.Errorf("ParseBroker(%q) has no error", address)
		} else if strings.Contains(err.Error(), "s3cr") {
			t.Errorf("error %q quotes the password", err)
		}
	}
	for _, management := range []string{"ftp://u:s3cret@h", "http://u:s3cr%et@h", "s3cret"} {
		if _, err := ParseBroker("amqp://rabbit", management); err == nil || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("ParseBroker with management URL %q = %v", management, err)
		}
	}
}

func TestABrokerHidesItsPassword(t *testing.T) {
	t.Parallel()
	b, err := ParseBroker("amqp://user:s3cret@rabbit", "")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "broker", b, "config", Config{Broker: b})
	text, _ := json.Marshal(Config{Broker: b})
	for _, shown := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), fmt.Sprintf("%#v", b), fmt.Sprintf("%v", Config{Broker: b}), string(text), log.String()} {
		if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "[redacted]") {
			t.Errorf("a broker shows as %s", shown)
		}
	}
}

func TestADialThatFailsHidesThePassword(t *testing.T) {
	t.Parallel()
	b, err := ParseBroker("amqp://user:s3cret@"+closedPort(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Dial(t.Context()); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Dial = %v", err)
	}
}

func TestADialEndsWithItsContextInTheHandshake(t *testing.T) {
	t.Parallel()
	mute, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	b, err := ParseBroker("amqp://user:s3cret@"+mute.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		conn, err := mute.Accept()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(conn, make([]byte, len("AMQP\x00\x00\x09\x01"))) // the client waits for an answer
		cancel()
		_, _ = io.Copy(io.Discard, conn) // until the client leaves
		_ = conn.Close()
	}()
	started := time.Now()
	if conn, err := b.Dial(ctx); err == nil || conn != nil || time.Since(started) > dialTimeout/2 {
		t.Errorf("Dial = %v, %v after %v; want an error at once", conn, err, time.Since(started))
	}
}
