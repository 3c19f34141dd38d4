package main

import (
	"context"

	"github.com/sethvargo/go-envconfig"
)

// config is where the program listens; the function reads the rest of the environment itself.
type config struct {
	Host string `env:"HOST"` // "" for all interfaces
	Port string `env:"PORT, default=8080"`
}

func loadConfig(ctx context.Context, env envconfig.Lookuper) (c config, err error) {
	err = envconfig.ProcessWith(ctx, &envconfig.Config{Target: &c, Lookuper: env})
	return c, err
}
