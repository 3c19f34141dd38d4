package request

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// ErrMalformed marks a request that no retry can make readable.
var ErrMalformed = errors.New("malformed request")

// Request is one message of a client, in clear.
type Request struct {
	Experiment Experiment
	Config     Config
}

// Config is what the executor uses of the client's configuration. Zero durations were not set.
type Config struct {
	Database               Location
	Storage                Location
	SaveWorkspaceFrequency time.Duration
	ExperimentLifetime     time.Duration
	Verbose                bool
	Env                    map[string]string `json:"-"` // may hold secrets
	Pip                    []string
}

// Parse reads a request in clear, naming every field at fault at once. Unknown fields are ignored.
func Parse(body []byte) (*Request, error) {
	if !json.Valid(body) {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	top, ok := members(skipSpace(body))
	if !ok {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	found := new(faults)
	root := fields{members: top, faults: found}
	r := &Request{
		Experiment: parseExperiment(root.child("experiment"), root.raw("experiment")),
		Config:     parseConfig(root.child("config")),
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return r, nil
}

// Expired reports whether the request has outlived config.experimentLifetime at now. One without a lifetime, or without
// the time it was added, never expires.
func (r *Request) Expired(now time.Time) bool {
	added, lifetime := r.Experiment.TimeAdded, r.Config.ExperimentLifetime
	return lifetime > 0 && !added.IsZero() && now.After(added.Add(lifetime))
}

// Format prints the experiment's key alone, whatever the verb: arguments and environment may hold secrets.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "request "+r.Experiment.Key) }

// LogValue is the experiment's key.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.Experiment.Key) }

// Format prints no setting, whatever the verb: the environment may hold secrets.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue shows no setting.
func (c Config) LogValue() slog.Value { return slog.StringValue(redacted) }

func parseConfig(o fields) Config {
	return Config{
		Database:               parseLocation(o.child("database")),
		Storage:                parseLocation(o.child("storage")),
		SaveWorkspaceFrequency: o.duration("saveWorkspaceFrequency"),
		ExperimentLifetime:     o.duration("experimentLifetime"),
		Verbose:                o.verbose("verbose"),
		Env:                    o.environment("env"),
		Pip:                    o.requirements("pip"),
	}
}
