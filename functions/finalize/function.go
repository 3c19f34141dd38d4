// Package finalize is the Cloud Function behind Cloud Storage's finalize events: the function Finalize, a CloudEvent function
// that Eventarc calls. Package finalizer, which it registers, says what it does, delivers and answers.
//
// Images start cmd/finalize instead, which finishes calls in hand when it is told to end; started by the functions framework
// alone, the function dies and Eventarc delivers the events again.
package finalize

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/functions/finalize/internal/finalizer"
)

func init() {
	functions.CloudEvent("Finalize", finalizer.NewService(envconfig.OsLookuper(), os.Stderr).Receive)
}
