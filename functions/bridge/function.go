// Package bridge is the Cloud Functions between RabbitMQ and Pub/Sub: Relay, an HTTP function that a scheduler calls, takes
// requests to Pub/Sub; Report, a CloudEvent function that a push subscription calls, takes reports to RabbitMQ. Packages relay and
// report, which it registers, say what they do, deliver and answer. FUNCTION_TARGET names the one that an instance serves.
//
// Images start cmd/bridge instead, which settles messages in hand when it is told to end; started by the functions
// framework alone, the function dies and they are delivered again.
package bridge

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/relay"
	"github.com/leaf-ai/studio-cloud-runner/functions/bridge/internal/report"
)

func init() {
	functions.HTTP("Relay", relay.NewService(envconfig.OsLookuper(), os.Stderr).ServeHTTP)
	functions.CloudEvent("Report", report.NewService(envconfig.OsLookuper(), os.Stderr).Receive)
}
