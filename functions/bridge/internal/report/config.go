package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
)

// config is what the environment sets.
type config struct {
	AMQP        string `env:"AMQP_URL"`
	Tenants     string `env:"TENANTS"`
	SigningKeys string `env:"SIGNING_KEYS"`
	ReportKeys  string `env:"REPORT_KEYS"`
	Limit       string `env:"REPORT_QUEUE_LIMIT, default=10000"`
	LogLevel    string `env:"LOG_LEVEL, default=info"`

	broker   relay.Broker
	limit    int
	logLevel slog.Level
}

// loadConfig reads the environment and reports every fault by its variable's name. The error quotes no secret.
func loadConfig(ctx context.Context, env envconfig.Lookuper) (c config, err error) {
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &c, Lookuper: env}); err != nil {
		return c, fmt.Errorf("read the environment: %w", err)
	}
	if c.AMQP == "" {
		err = errors.New("AMQP_URL is not set")
	} else {
		c.broker, err = relay.ParseBroker(c.AMQP, "")
	}
	if c.Tenants == "" {
		err = errors.Join(err, errors.New("TENANTS is not set"))
	}
	if n, bad := strconv.Atoi(c.Limit); bad != nil || n < 1 {
		err = errors.Join(err, fmt.Errorf("REPORT_QUEUE_LIMIT is %q; it should be a number from 1", c.Limit))
	} else {
		c.limit = n
	}
	if bad := c.logLevel.UnmarshalText([]byte(c.LogLevel)); bad != nil {
		err = errors.Join(err, fmt.Errorf("LOG_LEVEL is %q; it should be debug, info, warn or error", c.LogLevel))
	}
	return c, err
}
