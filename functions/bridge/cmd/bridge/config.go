package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sethvargo/go-envconfig"
)

// config is how the program is called; the functions read the rest of the environment themselves.
type config struct {
	Host   string // "" for all interfaces
	Port   string
	Worker bool // relays without being called
}

// relayTarget is the function that FUNCTION_TARGET names where it names none.
const relayTarget = "Relay"

type environment struct {
	Host   string `env:"HOST"`
	Port   string `env:"PORT"`
	Worker string `env:"RELAY_WORKER"`
	Target string `env:"FUNCTION_TARGET"`
}

func loadConfig(ctx context.Context, env envconfig.Lookuper) (config, error) {
	var e environment
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &e, Lookuper: env}); err != nil {
		return config{}, fmt.Errorf("read the environment: %w", err)
	}
	worker, err := strconv.ParseBool(cmp.Or(e.Worker, "false")) // what nobody set may come as an empty variable
	switch {
	case err != nil:
		return config{}, fmt.Errorf("RELAY_WORKER is %q; it should be true or false", e.Worker)
	case worker && cmp.Or(e.Target, relayTarget) != relayTarget:
		return config{}, errors.New("RELAY_WORKER is true and FUNCTION_TARGET is not Relay: only Relay can work without being called; leave one of them out")
	}
	return config{Host: e.Host, Port: cmp.Or(e.Port, "8080"), Worker: worker}, nil
}
