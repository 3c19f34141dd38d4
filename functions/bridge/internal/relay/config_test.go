package relay

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"
)

const onePool = `[{"name":"cpu","kind":"run-job","cpus":4,"ram":"8gb","hdd":"20gb"}]`

// sound is the least that the environment must hold.
func sound() map[string]string {
	return map[string]string{
		"GOOGLE_CLOUD_PROJECT": "p", "AMQP_URL": "amqp://user:s3cret@rabbit", "TENANTS": "tenants.json", "POOLS": onePool,
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig(t.Context(), envconfig.MapLookuper(sound()))
	if err != nil {
		t.Fatal(err)
	}
	if c.Deadline != 9*time.Minute || c.Idle != 30*time.Second || c.Discovery != 5*time.Second || c.Prefetch != 256 || c.ClearText ||
		c.EventsTopic != "studio-events" || c.DeadLetterTopic != "studio-dead-letters" || c.LogLevel != slog.LevelInfo {
		t.Errorf("defaults %+v", c)
	}
	if !c.Queues.Wants("rmq_x") || c.Queues.Wants("x_rmq_") || c.Queues.Wants("rmq_x_response") {
		t.Error("the default filter does not choose rmq_ queues alone")
	}
}

// Terraform and Kubernetes hand on what nobody set as an empty variable.
func TestEmptyQueueMatchIsOneThatIsNotSet(t *testing.T) {
	t.Parallel()
	env := sound()
	env["QUEUE_MATCH"], env["QUEUE_MISMATCH"] = "", ""
	c, err := LoadConfig(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Queues.Wants("rmq_x") || c.Queues.Wants("sqs_x") || c.Queues.Wants("rmq_x_response") {
		t.Errorf("the filter is not the default: %+v", c.Queues)
	}
}

func TestEveryFaultIsReportedByItsName(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig(t.Context(), envconfig.MapLookuper(map[string]string{
		"AMQP_URL": "amqp://user:s3cr%et@rabbit", "QUEUE_MATCH": "(", "QUEUE_MISMATCH": "[", "POOLS": "[]", "CLEAR_TEXT_MESSAGES": "perhaps",
		"RELAY_DEADLINE": "soon", "RELAY_IDLE": "-1s", "RELAY_CONNECT": "0", "RELAY_DISCOVERY": "0s", "RELAY_PREFETCH": "65536", "LOG_LEVEL": "loud",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{
		"GOOGLE_CLOUD_PROJECT", "AMQP_URL", "QUEUE_MATCH", "QUEUE_MISMATCH", "TENANTS", "POOLS", "CLEAR_TEXT_MESSAGES", "RELAY_DEADLINE", "RELAY_IDLE", "RELAY_CONNECT",
		"RELAY_DISCOVERY", "RELAY_PREFETCH", "LOG_LEVEL",
	} {
		mustContain(t, "error", err.Error(), name)
	}
	if strings.Contains(err.Error(), "s3cr") {
		t.Errorf("error %q quotes the password", err)
	}
}
