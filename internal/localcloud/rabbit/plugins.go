package rabbit

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// roots are the applications that the broker starts; all others are here because one of these asks for them.
var roots = []string{"rabbit", "rabbitmq_prelaunch", "rabbitmq_management"}

var applications = regexp.MustCompile(`\{applications,\s*\[([^\]]*)\]`)

// privateHome makes, in dir, a RabbitMQ home with links to the installed scripts and to the few plugins that are needed, and
// returns its sbin and plugins folders. The Erlang code loader looks for each module in every plugin's folder in turn: with
// the dozen that are used instead of all seventy the broker starts in half the CPU time.
func privateHome(home, dir string) (sbin, plugins string, err error) {
	sbin, plugins = filepath.Join(dir, "sbin"), filepath.Join(dir, "plugins")
	if err := os.RemoveAll(dir); err != nil {
		return "", "", fmt.Errorf("clear RabbitMQ's links: %w", err)
	}
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		return "", "", fmt.Errorf("make RabbitMQ's links: %w", err)
	}
	needed, err := closure(filepath.Join(home, "plugins"))
	if err != nil {
		return "", "", err
	}
	links := map[string]string{sbin: filepath.Join(home, "sbin"), filepath.Join(dir, "escript"): filepath.Join(home, "escript")}
	for _, folder := range needed {
		links[filepath.Join(plugins, filepath.Base(folder))] = folder
	}
	for link, target := range links {
		if err := os.Symlink(target, link); err != nil {
			return "", "", fmt.Errorf("make RabbitMQ's links: %w", err)
		}
	}
	return sbin, plugins, nil
}

// closure returns the folders of the roots and of every plugin that they need. Applications without a folder among the plugins are Erlang's own.
func closure(plugins string) ([]string, error) {
	var folders []string
	seen := map[string]bool{}
	for next := append([]string(nil), roots...); len(next) > 0; next = next[1:] {
		name := next[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		specs, err := filepath.Glob(filepath.Join(plugins, name+"-[0-9]*", "ebin", name+".app"))
		if err != nil {
			return nil, fmt.Errorf("find plugin %s: %w", name, err)
		}
		if len(specs) == 0 {
			continue
		}
		spec, err := os.ReadFile(specs[0]) //nolint:gosec // below the installation; a name from a plugin of it
		if err != nil {
			return nil, fmt.Errorf("read plugin %s: %w", name, err)
		}
		folders = append(folders, filepath.Dir(filepath.Dir(specs[0])))
		next = append(next, dependencies(spec)...)
	}
	return folders, nil
}

func dependencies(spec []byte) []string {
	found := applications.FindSubmatch(spec)
	if found == nil {
		return nil
	}
	return strings.FieldsFunc(string(found[1]), func(r rune) bool { return strings.ContainsRune(", \t\n\r'", r) })
}
