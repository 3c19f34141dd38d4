//go:build integration

package localcloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud"
)

// bin is where TestMain builds the programs.
var bin string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "localcloud-bin-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin = dir
	const module = "github.com/leaf-ai/studio-cloud-runner/"
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir+"/",
		module+"executor", module+"functions/bridge/cmd/bridge", module+"functions/finalize/cmd/finalize")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	// The client libraries leave these behind.
	err = goleak.Find(goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"))
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func options(t *testing.T) localcloud.Options {
	t.Helper()
	return localcloud.Options{Dir: filepath.Join(t.TempDir(), "cloud"), Temporary: true, Bin: bin, Logs: t.Output()}
}

func TestStartedCloudRunsItsProgramsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	o := options(t)
	began := time.Now()
	c, err := localcloud.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(began))
	expectDeadLetter(t, c)
	p := c.Program("finalize")
	_, died := p.Deaths()
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	<-died
	for _, name := range []string{"bridge", "executor-local-cpu", "executor-local-gpu"} {
		if n, _ := c.Program(name).Deaths(); n != 0 {
			t.Errorf("%s ended %d times", name, n)
		}
	}
	began = time.Now()
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	t.Logf("closed after %s", time.Since(began))
	expectNothing(t, o.Dir)
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 30 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			o := options(t)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			if c, err := localcloud.Start(ctx, o); err == nil {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			expectNothing(t, o.Dir)
		})
	}
}

func TestWrongSettingIsToldByItsProgram(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Settings = map[string]string{"POOLS": "[]"}
	c, err := localcloud.Start(t.Context(), o)
	if err == nil {
		t.Error(c.Close())
	}
	if err == nil || !strings.Contains(err.Error(), "POOLS") {
		t.Errorf("Start = %v; want what is wrong with POOLS", err)
	}
	expectNothing(t, o.Dir)
}

// expectDeadLetter sends through RabbitMQ what no executor can run, and waits for it at the other end of the bridge.
func expectDeadLetter(t *testing.T, c *localcloud.Cloud) {
	t.Helper()
	conn, err := amqp.Dial(c.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("rmq_test", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.PublishWithContext(t.Context(), "", "rmq_test", true, false, amqp.Publishing{Body: []byte("no request")}); err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), c.Project, option.WithEndpoint(c.PubSubHost), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got string
	err = client.Subscriber("studio-dead-letters").Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		got = string(m.Data)
		m.Ack()
		cancel()
	})
	if err != nil || got != "no request" {
		t.Errorf("dead letter = %q, %v; want what was sent", got, err)
	}
}

// expectNothing looks for the folder and for processes that know it.
func expectNothing(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range environs {
		env, err := os.ReadFile(file)
		if err == nil && bytes.Contains(env, []byte(dir+"/")) {
			comm, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
			t.Errorf("left: %s %s", file, comm)
		}
	}
}
