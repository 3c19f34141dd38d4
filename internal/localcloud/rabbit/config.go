package rabbit

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/port"
)

// managementDistance is how far above its AMQP port everybody looks for a broker's management API.
const managementDistance = 10000

type ports struct{ amqp, management, dist, epmd int }

func pickPorts() (ports, error) {
	amqp, err := port.Pair(managementDistance)
	if err != nil {
		return ports{}, err
	}
	dist, err := port.Free()
	if err != nil {
		return ports{}, err
	}
	epmd, err := port.Free()
	if err != nil {
		return ports{}, err
	}
	return ports{amqp: amqp, management: amqp + managementDistance, dist: dist, epmd: epmd}, nil
}

// writeConfig writes the broker's settings into dir; its state goes there too.
func writeConfig(dir string, p ports) error {
	files := map[string]string{
		"enabled_plugins": "[rabbitmq_management].\n",
		"rabbitmq.conf": fmt.Sprintf("listeners.tcp.local = 127.0.0.1:%d\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n",
			p.amqp, p.management),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("configure RabbitMQ: %w", err)
		}
	}
	return nil
}

// environment is all that the broker gets to see; nothing of this process's own environment is in it.
func environment(in installation, dir string, p ports) ([]string, error) {
	env := []string{
		"HOME=" + dir, // the Erlang cookie's place
		"PATH=" + in.path,
		"LANG=C.UTF-8",
		// The script then becomes the broker instead of staying beside it, so that the child's id is the broker's.
		"RUNNING_UNDER_SYSTEMD=true",
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(p.epmd),
		"ERL_FLAGS=-start_epmd false", // it is there; a broker that is interrupted would leave a daemon
		"ERL_CRASH_DUMP_SECONDS=0",
		"RABBITMQ_NODENAME=studio@localhost",
		"RABBITMQ_NODE_PORT=" + strconv.Itoa(p.amqp),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(p.dist),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", // not the machine's
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
		"RABBITMQ_CONFIG_FILES=" + filepath.Join(dir, "conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(dir, "advanced.config"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "generated"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + filepath.Join(dir, "feature_flags"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"),
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
		"RABBITMQ_LOGS=-",
		// Schedulers that find nothing to do sleep at once instead of spinning: an idle broker costs next to nothing.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
	}
	sbin, plugins, err := privateHome(in.home, filepath.Join(dir, "home"))
	if err != nil {
		return nil, err
	}
	return append(env, "RABBITMQ_SCRIPTS_DIR="+sbin, "RABBITMQ_PLUGINS_DIR="+plugins), nil
}
