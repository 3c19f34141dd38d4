package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// The whole program, over loopback: what Eventarc posts ends in the record and on the topic.
func TestAnEventOverHTTPFinishesTheExperiment(t *testing.T) {
	objects, messages := storageServer(t), pubsubServer(t)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(objects.URL(), "http://"))
	t.Setenv("PUBSUB_EMULATOR_HOST", messages.Addr)
	tenants := filepath.Join(t.TempDir(), "tenants.json")
	if err := os.WriteFile(tenants, []byte(`{"tenants":[{"prefix":"rmq_lab","store":"lab-store","metadata":"lab-metadata"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, envconfig.MapLookuper(map[string]string{
			"HOST": "127.0.0.1", "PORT": port, "GOOGLE_CLOUD_PROJECT": "studio-test", "TENANTS": tenants,
		}), io.Discard)
	}()
	address := "127.0.0.1:" + port
	await(t, address)

	deliveries := map[string]http.Header{ // the body of the second is the event itself, of the third one of the functions before
		`{"bucket":"lab-store","name":"experiments/key/output.tar"}`: {
			"Ce-Id": {"1"}, "Ce-Type": {"google.cloud.storage.object.v1.finalized"}, "Ce-Specversion": {"1.0"}, "Content-Type": {"application/json"},
			"Ce-Source": {"//storage.googleapis.com/projects/_/buckets/lab-store"}, "Ce-Subject": {"objects/experiments/key/output.tar"},
		},
		`{"specversion":"1.0","id":"2","type":"google.cloud.storage.object.v1.finalized","source":"//storage.googleapis.com/projects/_/buckets/lab-store",
		  "datacontenttype":"application/json","data":{"bucket":"lab-store","name":"experiments/key/output.tar"}}`: {"Content-Type": {"application/cloudevents+json"}},
		`{"context":{"eventId":"3","timestamp":"2026-03-01T12:00:00Z","eventType":"google.storage.object.finalize",
		  "resource":{"service":"storage.googleapis.com","name":"projects/_/buckets/lab-store/objects/experiments/key/output.tar"}},
		  "data":{"bucket":"lab-store","name":"experiments/key/output.tar"}}`: {"Content-Type": {"application/json"}},
	}
	for body, header := range deliveries {
		if status := post(t, address, header, body); status != http.StatusOK {
			t.Errorf("answer %d to %s", status, body)
		}
	}
	assertFinished(t, objects, messages, len(deliveries))

	stop()
	if err := <-done; err != nil {
		t.Errorf("run = %v", err)
	}
	for body, header := range deliveries { // the framework's server goes on until the process ends
		if status := post(t, address, header, body); status < 500 {
			t.Errorf("answer %d after the end", status)
		}
	}
}

func assertFinished(t *testing.T, objects *fakestorage.Server, messages *pstest.Server, deliveries int) {
	t.Helper()
	r, err := record.New(objects.Client(), time.Now).Read(t.Context(), record.Ref{Bucket: "lab-metadata", Key: "key"})
	if err != nil || r.Status() != record.Finished || string(r.Cloud().Document) != `{"a":1}` {
		t.Errorf("record %+v, %v", r, err)
	}
	ids := map[string]int{}
	for _, m := range messages.Messages() {
		e, err := event.Parse(m.Attributes, m.Data)
		if err != nil || e.Type != event.Finished || e.Data.Outcome != "completed" {
			t.Errorf("event %+v, %v", e, err)
		}
		ids[e.ID]++
	}
	if len(ids) != 1 || len(messages.Messages()) != deliveries {
		t.Errorf("events by id: %v", ids)
	}
}

func storageServer(t *testing.T) *fakestorage.Server {
	t.Helper()
	var output bytes.Buffer
	w := tar.NewWriter(&output)
	line := "{\"a\": 1}\n"
	if err := w.WriteHeader(&tar.Header{Name: "output", Size: int64(len(line)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, line)
	_ = w.Close()
	port, err := strconv.ParseUint(freePort(t), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	options := fakestorage.Options{Scheme: "http", Host: "127.0.0.1", Port: uint16(port), Writer: io.Discard, InitialObjects: []fakestorage.Object{
		{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "lab-metadata", Name: "experiments/key"}, Content: []byte(`{"status":"running"}`)},
		{ObjectAttrs: fakestorage.ObjectAttrs{BucketName: "lab-store", Name: "experiments/key/output.tar", Metadata: map[string]string{
			record.MetaExperiment: "key", record.MetaAttempt: "a", record.MetaState: record.StateFinal, record.MetaOutcome: "completed",
		}}, Content: output.Bytes()},
	}}
	options.PublicHost = fmt.Sprintf("127.0.0.1:%d", port) // it serves downloads under this name alone
	server, err := fakestorage.NewServerWithOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func pubsubServer(t *testing.T) *pstest.Server {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	if _, err := server.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: "projects/studio-test/topics/studio-events"}); err != nil {
		t.Fatal(err)
	}
	return server
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// await returns when somebody listens; the framework's server does not say so.
func await(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

func post(t *testing.T, address string, header http.Header, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
