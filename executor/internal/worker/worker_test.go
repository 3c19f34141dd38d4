package worker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/leaf-ai/studio-cloud-runner/executor/internal/device"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/process"
	"github.com/leaf-ai/studio-cloud-runner/executor/internal/pyenv"
	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/message"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/record"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

func TestMain(m *testing.M) {
	process.LauncherMain()
	os.Exit(m.Run())
}

const (
	storeBucket    = "team-store"
	metadataBucket = "team-metadata"
	queue          = "rmq_test"
)

var bundles atomic.Uint32

// bundle is a worker over a real storage client, with what a test needs to talk to it.
type bundle struct {
	t       *testing.T
	worker  *Worker
	objects *storage.Client
	events  *eventList
	python  *systemPython
	leave   context.CancelFunc
	http    http.RoundTripper // to the fake of Cloud Storage
}

func setup(t *testing.T) *bundle {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	for _, bucket := range []string{storeBucket, metadataBucket} {
		server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	}
	tenants, err := tenant.Parse(fmt.Appendf(nil, `{"tenants":[{"prefix":"rmq_","store":%q,"metadata":%q}]}`, storeBucket, metadataBucket))
	if err != nil {
		t.Fatal(err)
	}
	pools, err := pool.Parse(`[{"name":"cpu","kind":"gke","gpus":0,"gpu_slots":0,"gpu_mem":"0","cpus":4,"ram":"8gb","hdd":"10gb"}]`)
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for dir := work; dir != os.TempDir() && strings.HasPrefix(dir, os.TempDir()); dir = dir[:strings.LastIndex(dir, "/")] {
		if err := os.Chmod(dir, 0o711); err != nil { // experiments run as other users
			t.Fatal(err)
		}
	}
	b := &bundle{t: t, objects: server.Client(), events: &eventList{}, python: findPython(t), http: server.HTTPClient().Transport}
	b.worker = &Worker{
		Config: Config{
			Executor: "executor-1", Pool: pools[0], WorkDir: work + "/work", Slots: 2, Heartbeat: 100 * time.Millisecond, Lease: 2 * time.Second,
			MaxAttempts: 3, AdmissionWait: time.Second, Grace: time.Second, SaveTimeout: 10 * time.Second, MaxUnpacked: 1 << 30,
		},
		Policy:  admission.Policy{Tenants: func() *tenant.Set { return tenants }, ClearText: true, Pools: pools},
		Keys:    func() []*envelope.PrivateKey { return nil },
		Records: record.New(b.objects, time.Now), Stores: artifact.NewStores(b.objects, nil, artifact.URLs{}), Environments: b.python,
		Allocator: device.NewAllocator(pools[0], nil), Events: b.events, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
	if os.Geteuid() == 0 {
		b.worker.FirstUID = 610_000 + bundles.Add(10) // what is left of a uid is killed, so that no two tests may share one
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.leave = cancel
	t.Cleanup(cancel)
	b.worker.Prepare(ctx.Done())
	return b
}

// systemPython is an environment that is there already: the machine's own Python.
type systemPython struct {
	path     string
	err      error
	relieved int
}

func (p *systemPython) Ensure(context.Context, pyenv.Spec) (pyenv.Environment, error) {
	return pyenv.Environment{Dir: "/usr", Python: p.path, Version: "3", Cached: true}, p.err
}

func (p *systemPython) Relieve(context.Context, func() bool) (int, error) {
	p.relieved++
	return 0, nil
}

func findPython(t *testing.T) *systemPython {
	t.Helper()
	for _, path := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if exec.CommandContext(t.Context(), path, "-c", "").Run() == nil {
			return &systemPython{path: path}
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	return &systemPython{path: path}
}

type eventList struct {
	mu   sync.Mutex
	list []event.Event
}

func (l *eventList) Publish(_ context.Context, e event.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, e)
	return nil
}

func (l *eventList) types() (types []event.Type) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		types = append(types, e.Type)
	}
	return types
}

// put stores an object; its generation counts from there.
func (b *bundle) put(bucket, name string, data []byte, meta map[string]string) {
	b.t.Helper()
	w := b.objects.Bucket(bucket).Object(name).NewWriter(b.t.Context())
	w.Metadata = meta
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) get(bucket, name string) (data []byte, meta map[string]string) {
	b.t.Helper()
	object := b.objects.Bucket(bucket).Object(name)
	r, err := object.NewReader(b.t.Context())
	if err != nil {
		b.t.Fatalf("read %s/%s: %v", bucket, name, err)
	}
	data, err = io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		b.t.Fatal(err)
	}
	attrs, err := object.Attrs(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return data, attrs.Metadata
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, content := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func untar(t *testing.T, data []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "./")] = string(content)
	}
}

// submission is an experiment as a test asks for it.
type submission struct {
	key       string
	script    string // content of train.py
	files     map[string]string
	args      []string
	change    map[string]any // members of experiment that differ
	config    map[string]any // members of config that differ
	workspace []byte         // instead of the tar of script and files
	artifacts map[string]any // more than those that the client sends
	absent    bool           // leaves the workspace out of the store
	record    string         // instead of the client's record
}

// submit stores what a client stores and returns what the bridge relays.
func (b *bundle) submit(s submission) message.Relayed {
	b.t.Helper()
	files := map[string]string{"train.py": s.script}
	maps.Copy(files, s.files)
	workspace := s.workspace
	if workspace == nil {
		workspace = tarOf(b.t, files)
	}
	if !s.absent {
		b.put(storeBucket, "blobstore/"+s.key+".tar", workspace, nil)
	}
	artifacts := map[string]any{"workspace": map[string]any{"bucket": storeBucket, "key": "blobstore/" + s.key + ".tar", "mutable": false, "unpack": true}}
	for _, label := range []string{"modeldir", "output", "_metadata"} {
		artifacts[label] = map[string]any{
			"bucket": storeBucket, "key": "experiments/" + s.key + "/" + label + ".tar", "mutable": true, "unpack": true,
			"qualified": "gs://" + storeBucket + "/experiments/" + s.key + "/" + label + ".tar",
		}
	}
	maps.Copy(artifacts, s.artifacts)
	experiment := map[string]any{
		"key": s.key, "filename": "train.py", "args": s.args, "pythonver": "3", "pythonenv": []string{}, "artifacts": artifacts,
		"resources_needed": map[string]any{"cpus": 1, "ram": "1gb", "hdd": "1gb"}, "status": "waiting", "project": "p",
		"time_added": float64(time.Now().UnixMilli()) / 1e3, "max_duration": nil,
	}
	maps.Copy(experiment, s.change)
	config := map[string]any{
		"database": map[string]any{"type": "gcloud", "bucket": metadataBucket}, "storage": map[string]any{"type": "gcloud", "bucket": storeBucket},
		"saveWorkspaceFrequency": "1s",
	}
	maps.Copy(config, s.config)
	if s.record == "" {
		text, err := json.Marshal(experiment)
		if err != nil {
			b.t.Fatal(err)
		}
		s.record = string(text)
	}
	b.put(metadataBucket, "experiments/"+s.key, []byte(s.record), nil)
	body, err := json.Marshal(map[string]any{"experiment": experiment, "config": config})
	if err != nil {
		b.t.Fatal(err)
	}
	return message.Relayed{Queue: queue, Pool: "cpu", Kind: "clear", Experiment: s.key, MessageID: message.ID(body), Data: body, RelayedAt: time.Now()}
}

// output is output/output as it is stored, with the metadata of its upload.
func (b *bundle) output(key string) (string, map[string]string) {
	b.t.Helper()
	data, meta := b.get(storeBucket, "experiments/"+key+"/output.tar")
	return untar(b.t, data)["output"], meta
}

func (b *bundle) record(key string) *record.Record {
	b.t.Helper()
	r, err := b.worker.Records.Read(b.t.Context(), record.Ref{Bucket: metadataBucket, Key: key})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// finalize does what the finalize function does when the final output is stored.
func (b *bundle) finalize(key string) {
	b.t.Helper()
	attrs, err := b.objects.Bucket(storeBucket).Object("experiments/" + key + "/output.tar").Attrs(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	_, output, err := record.ReadMetadata(attrs.Metadata)
	if err != nil {
		b.t.Fatal(err)
	}
	output.Generation, output.Size, output.Updated = attrs.Generation, attrs.Size, attrs.Updated
	_, err = b.worker.Records.Finalize(b.t.Context(), record.Ref{Bucket: metadataBucket, Key: key}, output)
	if err != nil {
		b.t.Fatal(err)
	}
}
