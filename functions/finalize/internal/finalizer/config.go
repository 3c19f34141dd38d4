package finalizer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sethvargo/go-envconfig"
)

// config is what the environment sets.
type config struct {
	Project     string `env:"GOOGLE_CLOUD_PROJECT"`
	Tenants     string `env:"TENANTS"` // path of the tenants' file or folder
	EventsTopic string `env:"EVENTS_TOPIC, default=studio-events"`
	Level       string `env:"LOG_LEVEL, default=info"`

	logLevel slog.Level
}

// loadConfig reads the environment and reports every fault by its variable's name.
func loadConfig(ctx context.Context, env envconfig.Lookuper) (c config, err error) {
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &c, Lookuper: env}); err != nil {
		return config{}, fmt.Errorf("read the environment: %w", err)
	}
	if c.Project == "" {
		err = errors.Join(err, errors.New("GOOGLE_CLOUD_PROJECT is not set"))
	}
	if c.Tenants == "" {
		err = errors.Join(err, errors.New("TENANTS is not set"))
	}
	if c.logLevel.UnmarshalText([]byte(c.Level)) != nil {
		err = errors.Join(err, fmt.Errorf("LOG_LEVEL is %q; it should be debug, info, warn or error", c.Level))
	}
	return c, err
}
