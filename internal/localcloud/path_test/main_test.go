//go:build integration

// Package path_test takes experiments along the whole path, from the client's publish to the finished record, through a local
// cloud that runs the built programs, and kills those programs on the way.
//
// What it holds the path to is the delivery rule: whatever the input and whatever dies, every experiment reaches one definite
// end that its record and its output tell, and every message that is no experiment reaches the dead letters.
package path_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"go.uber.org/goleak"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud"
)

// patience bounds every wait; a loaded machine takes a tenth of it.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	// The client libraries leave these behind.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
}

// studio is a cloud and a client of it.
type studio struct {
	*client.Client
	cloud   *localcloud.Cloud
	objects *storage.Client
}

// clouds counts those of this process, whose experiments must not run as the same users.
var clouds atomic.Uint32

// setup starts a cloud that ends with the test.
func setup(t *testing.T, settings map[string]string) *studio {
	t.Helper()
	return setupWith(t, settings, nil)
}

// setupWith gives the executors some settings of their own.
func setupWith(t *testing.T, settings, executors map[string]string) *studio {
	t.Helper()
	bin, uv := programs(t)
	dir, err := os.MkdirTemp("", "studio-path-") //nolint:usetesting // t.TempDir lies in a folder that the users of experiments may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // only left where the start failed
	var uid uint32
	if os.Geteuid() == 0 {
		uid = 20_000 + 20*clouds.Add(1)
	}
	began := time.Now()
	cloud, err := localcloud.Start(t.Context(), localcloud.Options{
		Dir: dir, Temporary: true, Bin: bin, UV: uv, ExperimentUID: uid, Settings: settings, Executors: executors,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			quoteLogs(t, cloud.LogDir)
		}
		began := time.Now()
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("cloud closed after %s", time.Since(began).Round(time.Millisecond))
	})
	t.Logf("cloud ready after %s", time.Since(began).Round(time.Millisecond))
	c, err := client.New(t.Context(), client.Deployment{
		AMQPURL: cloud.AMQPURL, Project: cloud.Project, Store: cloud.Store, Metadata: cloud.Metadata,
		S3Endpoint: cloud.S3URL, StorageEmulator: cloud.StorageURL, PubSubEmulator: cloud.PubSubHost,
	})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := storage.NewClient(t.Context(), option.WithEndpoint(cloud.StorageURL+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), objects.Close()); err != nil {
			t.Error(err)
		}
	})
	return &studio{Client: c, cloud: cloud, objects: objects}
}

// quoteLogs prints the ends of a cloud's logs, without what RabbitMQ says of a good start. It comes after the failure, which must
// not be lost among thousands of lines.
func quoteLogs(t *testing.T, dir string) {
	t.Helper()
	const last = 25
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		var lines []string
		for line := range strings.Lines(string(log)) {
			if !strings.Contains(line, "[info]") && strings.TrimSpace(line) != "" {
				lines = append(lines, line)
			}
		}
		t.Logf("the end of %s:\n%s", filepath.Base(file), strings.Join(lines[max(0, len(lines)-last):], ""))
	}
}

// programs finds the folder of the built programs, and uv.
func programs(t *testing.T) (bin, uv string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			t.Fatalf("no go.mod above the test: %v", err)
		}
		dir = filepath.Dir(dir)
	}
	bin = filepath.Join(dir, "bin")
	if uv = os.Getenv("UV"); uv == "" {
		uv = filepath.Join(bin, "uv")
	}
	for _, file := range []string{filepath.Join(bin, "bridge"), filepath.Join(bin, "finalize"), filepath.Join(bin, "executor"), uv} {
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("a program is missing, `make build` builds it: %v", err)
		}
	}
	return bin, uv
}
