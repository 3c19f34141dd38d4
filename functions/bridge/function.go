// Package bridge is the Cloud Function between RabbitMQ and Pub/Sub: the function Relay, an HTTP function that a scheduler
// calls. Package relay, which it registers, says what it does, delivers and answers.
//
// Images start cmd/bridge instead, which settles messages in hand when it is told to end; started by the functions
// framework alone, the function dies and RabbitMQ delivers them again.
package bridge

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
)

func init() {
	functions.HTTP("Relay", relay.NewService(envconfig.OsLookuper(), os.Stderr).ServeHTTP)
}
