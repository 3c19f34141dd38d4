package rabbit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing is the error of [Start] on a machine without RabbitMQ.
var ErrMissing = errors.New("rabbitmq-server is not installed: install it with `sudo apt-get install -y rabbitmq-server`")

// servers are the places of the server's start script. The one that Debian puts on PATH comes last: it changes the user and then cannot
// write a private folder.
var servers = []string{
	"/usr/lib/rabbitmq/bin/rabbitmq-server",
	"/opt/rabbitmq/sbin/rabbitmq-server",
	"/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
	"/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
}

// An installation is what a broker needs of the machine.
type installation struct {
	server string // the start script
	home   string // the folder that holds sbin and plugins
	epmd   string // Erlang's port mapper
	path   string // PATH for the script, with erl on it
}

func findInstallation() (installation, error) {
	server, err := findServer()
	if err != nil {
		return installation{}, err
	}
	real, err := filepath.EvalSymlinks(server)
	if err != nil {
		return installation{}, fmt.Errorf("find rabbitmq-server: %w", err)
	}
	erl, err := exec.LookPath("erl")
	if err != nil {
		return installation{}, fmt.Errorf("find Erlang for RabbitMQ: %w", err)
	}
	epmd, err := findEpmd(erl)
	if err != nil {
		return installation{}, err
	}
	path := []string{filepath.Dir(erl), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"}
	return installation{
		server: server,
		home:   filepath.Dir(filepath.Dir(real)),
		epmd:   epmd,
		path:   strings.Join(path, string(filepath.ListSeparator)),
	}, nil
}

func findServer() (string, error) {
	for _, server := range servers {
		if _, err := os.Stat(server); err == nil {
			return server, nil
		}
	}
	server, err := exec.LookPath("rabbitmq-server")
	if err != nil {
		return "", ErrMissing
	}
	return server, nil
}

// findEpmd looks on PATH, then beside the Erlang that erl belongs to, where epmd always is.
func findEpmd(erl string) (string, error) {
	if epmd, err := exec.LookPath("epmd"); err == nil {
		return epmd, nil
	}
	real, err := filepath.EvalSymlinks(erl)
	if err != nil {
		return "", fmt.Errorf("find epmd: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(real)), "erts-*", "bin", "epmd"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("find epmd beside %s: %w", real, os.ErrNotExist)
	}
	return found[0], nil
}
