package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
)

// Config is what the environment sets.
type Config struct {
	Project         string // Google Cloud project of the topics
	DeadLetterTopic string
	ReportsTopic    string
	EventsTopic     string
	Broker          Broker
	Queues          Filter
	Tenants         string // path of the tenants' file or folder
	SigningKeys     string // folder of the keys that sign, one file for each prefix of queues; "" for none
	ReportKeys      string // folder of the keys that reports are sealed with, likewise
	Pools           pool.List
	ClearText       bool          // whether requests in clear are let in
	Deadline        time.Duration // how long a relay takes messages at most
	Idle            time.Duration // for how long nothing may come before a relay ends
	Connect         time.Duration // for how long it tries to reach RabbitMQ at first, where that is longer
	Discovery       time.Duration // how often it looks for queues
	Prefetch        int           // unacknowledged messages of one queue
	LogLevel        slog.Level
}

// environment is the variables as they stand; go-envconfig would stop at the first fault of a typed field.
type environment struct {
	Project         string `env:"GOOGLE_CLOUD_PROJECT"`
	DeadLetterTopic string `env:"DEAD_LETTER_TOPIC, default=studio-dead-letters"`
	ReportsTopic    string `env:"REPORTS_TOPIC, default=studio-reports"`
	EventsTopic     string `env:"EVENTS_TOPIC, default=studio-events"`
	AMQP            string `env:"AMQP_URL"`
	Management      string `env:"RABBITMQ_MANAGEMENT_URL"`
	Match           string `env:"QUEUE_MATCH"`
	Mismatch        string `env:"QUEUE_MISMATCH"`
	Tenants         string `env:"TENANTS"`
	SigningKeys     string `env:"SIGNING_KEYS"`
	ReportKeys      string `env:"REPORT_KEYS"`
	Pools           string `env:"POOLS"`
	ClearText       string `env:"CLEAR_TEXT_MESSAGES, default=false"`
	Deadline        string `env:"RELAY_DEADLINE, default=9m"`
	Idle            string `env:"RELAY_IDLE, default=30s"`
	Connect         string `env:"RELAY_CONNECT, default=2m"`
	Discovery       string `env:"RELAY_DISCOVERY, default=5s"`
	Prefetch        string `env:"RELAY_PREFETCH, default=256"`
	LogLevel        string `env:"LOG_LEVEL, default=info"`
}

// LoadConfig reads the environment and reports every fault by its variable's name. The error quotes no secret.
func LoadConfig(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var e environment
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &e, Lookuper: env}); err != nil {
		return Config{}, fmt.Errorf("read the environment: %w", err)
	}
	var f faults
	c := Config{
		Project:         f.required("GOOGLE_CLOUD_PROJECT", e.Project),
		DeadLetterTopic: e.DeadLetterTopic,
		ReportsTopic:    e.ReportsTopic,
		EventsTopic:     e.EventsTopic,
		Broker:          f.broker(e.AMQP, e.Management),
		Queues:          Filter{Match: f.pattern("QUEUE_MATCH", cmp.Or(e.Match, queue.DefaultMatch)), Mismatch: f.pattern("QUEUE_MISMATCH", e.Mismatch)},
		Tenants:         f.required("TENANTS", e.Tenants),
		SigningKeys:     e.SigningKeys,
		ReportKeys:      e.ReportKeys,
		Pools:           f.pools(e.Pools),
		ClearText:       parsed(&f, "CLEAR_TEXT_MESSAGES", e.ClearText, "true or false", strconv.ParseBool),
		Deadline:        parsed(&f, "RELAY_DEADLINE", e.Deadline, "a duration such as 9m", positive),
		Idle:            parsed(&f, "RELAY_IDLE", e.Idle, "a duration such as 30s", positive),
		Connect:         parsed(&f, "RELAY_CONNECT", e.Connect, "a duration such as 2m", positive),
		Discovery:       parsed(&f, "RELAY_DISCOVERY", e.Discovery, "a duration such as 5s", positive),
		Prefetch:        parsed(&f, "RELAY_PREFETCH", e.Prefetch, "a number from 1 to 65535", window),
		LogLevel:        parsed(&f, "LOG_LEVEL", e.LogLevel, "debug, info, warn or error", level),
	}
	return c, errors.Join(f...)
}

// faults collects what is wrong with the environment.
type faults []error

func (f *faults) required(name, value string) string {
	if value == "" {
		*f = append(*f, fmt.Errorf("%s is not set", name))
	}
	return value
}

func (f *faults) broker(address, management string) Broker {
	if f.required("AMQP_URL", address) == "" {
		return Broker{}
	}
	b, err := ParseBroker(address, management)
	if err != nil {
		*f = append(*f, err)
	}
	return b
}

func (f *faults) pattern(name, value string) *regexp.Regexp {
	if value == "" {
		return nil
	}
	return parsed(f, name, value, "a regular expression", regexp.Compile)
}

func (f *faults) pools(value string) pool.List {
	if f.required("POOLS", value) == "" {
		return nil
	}
	list, err := pool.Load(value)
	if err != nil {
		*f = append(*f, fmt.Errorf("POOLS: %w", err))
	}
	return list
}

func parsed[T any](f *faults, name, value, want string, parse func(string) (T, error)) T {
	v, err := parse(value)
	if err != nil {
		*f = append(*f, fmt.Errorf("%s is %q; it should be %s", name, value, want))
	}
	return v
}

func positive(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d <= 0 {
		err = errors.New("not positive")
	}
	return d, err
}

// window reads a prefetch count, which AMQP holds in 16 bits; 0 would mean no limit.
func window(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (n < 1 || n > math.MaxUint16) {
		err = errors.New("out of range")
	}
	return n, err
}

func level(s string) (l slog.Level, err error) {
	err = l.UnmarshalText([]byte(s))
	return l, err
}
