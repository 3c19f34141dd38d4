package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// localContext is built in: the cloud that `studioctl local` keeps running.
const localContext = "local"

// config is the file of contexts. Nothing in it is needed: without it there is the local cloud.
type config struct {
	Current  string                       `yaml:"current,omitempty"`
	Contexts map[string]map[string]string `yaml:"contexts,omitempty"`

	path string
}

// configPath is where the contexts are kept, one file to a user.
func (a *app) configPath() (string, error) {
	if dir, ok := a.env.Lookup("XDG_CONFIG_HOME"); ok && dir != "" {
		return filepath.Join(dir, "studioctl", "config.yaml"), nil
	}
	home, ok := a.env.Lookup("HOME")
	if !ok || home == "" {
		return "", errors.New("HOME is not set: say with XDG_CONFIG_HOME where studioctl's contexts are kept")
	}
	return filepath.Join(home, ".config", "studioctl", "config.yaml"), nil
}

func (a *app) readConfig() (*config, error) {
	path, err := a.configPath()
	if err != nil {
		return nil, err
	}
	c := &config{path: path, Contexts: map[string]map[string]string{}}
	data, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the contexts from %s (correct it, or remove it and begin anew): %w", path, err)
	}
	return c, c.check(a.home())
}

// check names everything that is wrong at once, and makes the paths absolute.
func (c *config) check(home string) error {
	known := map[string]setting{}
	for _, s := range knownSettings() {
		known[s.name] = s
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(c.Contexts)) {
		if err := validContext(name); err != nil {
			faults = append(faults, err)
		}
		for key, value := range c.Contexts[name] {
			s, ok := known[key]
			if !ok {
				faults = append(faults, fmt.Errorf("contexts.%s.%s: there is no such setting; `studioctl context set --help` lists them", name, key))
				continue
			}
			c.Contexts[name][key] = s.absolute(value, filepath.Dir(c.path), home)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("read the contexts from %s: %w", c.path, errors.Join(faults...))
	}
	return nil
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func validContext(name string) error {
	switch {
	case name == localContext:
		return fmt.Errorf("the context %s is built in, and is the cloud that `studioctl local` runs: choose another name", name)
	case !contextName.MatchString(name):
		return fmt.Errorf("the name %q of a context: use letters, digits, '.', '_' and '-', at most 63", name)
	}
	return nil
}

// find returns the settings of a context; those of local are none.
func (c *config) find(name string) (map[string]string, error) {
	found, ok := c.Contexts[name]
	if !ok && name != localContext {
		return nil, fmt.Errorf("there is no context %q, but %s: make it with `studioctl context set %s --project … --store … --metadata …`",
			name, strings.Join(c.names(), ", "), name)
	}
	return found, nil
}

func (c *config) names() []string {
	return append([]string{localContext}, slices.Sorted(maps.Keys(c.Contexts))...)
}

// save replaces the file, whole or not at all. Only its owner may read it: it may hold RabbitMQ's password.
func (c *config) save() (err error) {
	text := bytes.NewBufferString("# The contexts of studioctl. `studioctl context set` writes this file and keeps no comments.\n")
	if err := yaml.NewEncoder(text).Encode(c); err != nil {
		return fmt.Errorf("encode the contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the contexts: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(c.path), ".config-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	_, err = file.Write(text.Bytes())
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the contexts: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// home is the user's, or nothing.
func (a *app) home() string {
	home, _ := a.env.Lookup("HOME")
	return home
}
