package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

//go:embed demo/train.py demo/requirements.txt
var demoFiles embed.FS

const (
	demoLimit = 15 * time.Minute // most of it for the download of packages over a slow line
	demoTail  = 8                // lines of output shown at the end
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Run two experiments through the whole path, from nothing", GroupID: groupClouds,
		Long: `Demo starts a local cloud, submits a real training (scikit-learn's digits) twice
as the StudioML client would, once in clear and once sealed and signed, and
shows each hop as it happens. Exit code 0 says that both completed. Nothing
stays when it ends.`,
		Example: "  studioctl demo",
		Args:    usageArgs(a.withoutJSON(cobra.NoArgs, "`studioctl watch --json` prints what happens")),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

func (a *app) demo(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	d := &demo{app: a, began: time.Now(), names: map[string]string{}, finished: make(chan struct{}, 16)}
	d.line("cloud", "starting", "RabbitMQ, Pub/Sub, storage, functions, executors")
	starting := a.progress("starting the local cloud")
	cloud, err := a.startCloud(ctx)
	starting.end()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()
	d.state = stateOf(cloud)
	d.line("cloud", "ready", "AMQP "+hostOf(d.state.AMQPURL)+"  S3 "+d.state.S3Endpoint)
	d.line("cloud", "keys", "made: RSA to seal requests, Ed25519 to sign them")
	c, err := client.New(ctx, d.state.Deployment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	d.client = c
	return d.run(ctx)
}

// demo shows two experiments side by side.
type demo struct {
	*app
	client   *client.Client
	state    localState
	began    time.Time
	finished chan struct{}

	mu    sync.Mutex
	names map[string]string // of experiments, by key and by message
	late  []event.Event     // not shown yet
}

// settling is how long an event is kept before it is shown: the hops publish each for themselves, and what happened first need
// not come first.
const settling = 500 * time.Millisecond

func (d *demo) run(ctx context.Context) error {
	folder, err := writeDemo()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // a temporary folder; the system clears it too

	watch, stopWatching := context.WithCancel(ctx)
	var watchErr error
	ready, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		watchErr = d.state.Watch(watch, d.state.EventsTopic, func() { close(ready) }, d.event)
	}()
	defer func() {
		stopWatching()
		<-watched
	}()
	go d.show(watch)
	select {
	case <-ready:
	case <-watched:
		return errors.Join(watchErr, ctx.Err())
	}

	var keys []string
	for _, name := range []string{"clear", "sealed"} {
		key, err := d.submit(ctx, name, folder)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	var following sync.WaitGroup
	faults := make([]error, len(keys))
	for i, key := range keys {
		following.Go(func() {
			out := &lineWriter{print: func(text string) { d.line(d.name(key), "│", text) }}
			faults[i] = d.client.Follow(ctx, key, out, nil)
		})
	}
	following.Wait()
	if err := errors.Join(append(faults, ctx.Err())...); err != nil {
		return err
	}
	d.awaitFinished(ctx, len(keys))
	return d.conclude(ctx, keys)
}

func (d *demo) submit(ctx context.Context, name, folder string) (key string, err error) {
	f := submitFlags{python: "3", ram: "1gb", hdd: "1gb", cpus: 1, saveEvery: time.Second, maxDuration: 10 * time.Minute, lifetime: time.Hour, queue: "rmq_demo"}
	if name == "sealed" {
		f.sealed, f.queue = true, d.state.SealedQueue
	}
	s, err := f.submission(d.state.target, filepath.Join(folder, "train.py"), nil)
	if err != nil {
		return "", err
	}
	s.Project = "demo"
	s.Env = map[string]string{"OMP_NUM_THREADS": "1"} // the two share a machine
	d.mu.Lock()                                       // so that no event of it is shown before it has a name
	defer d.mu.Unlock()
	submitted, err := d.client.Submit(ctx, s)
	if err != nil {
		return "", err
	}
	d.names[submitted.Key], d.names[submitted.MessageID] = name, name
	d.lineAt(time.Now(), name, "submitted", submitted.Key)
	return submitted.Key, nil
}

// event takes what happened to one of the two experiments.
func (d *demo) event(e event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nameOf(e) != "" {
		d.late = append(d.late, e)
	}
}

// show prints events in the order in which they happened, until ctx is done.
func (d *demo) show(ctx context.Context) {
	ticker := time.NewTicker(settling / 5)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			d.flush(now.Add(-settling))
		}
	}
}

func (d *demo) flush(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.SortStableFunc(d.late, func(a, b event.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), slices.Index(event.Types(), a.Type)-slices.Index(event.Types(), b.Type))
	})
	for len(d.late) > 0 && d.late[0].Time.Before(until) {
		e := d.late[0]
		d.late = d.late[1:]
		d.lineAt(e.Time, d.nameOf(e), hop(e.Type), describe(e.Data, e.Type))
		if e.Type == event.Finished {
			d.finished <- struct{}{}
		}
	}
}

// nameOf is empty for what is none of ours.
func (d *demo) nameOf(e event.Event) string {
	return cmp.Or(d.names[e.Experiment], d.names[e.Data.MessageID])
}

// awaitFinished gives the last events a moment: they follow the record that ended the wait.
func (d *demo) awaitFinished(ctx context.Context, n int) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for range n {
		select {
		case <-d.finished:
		case <-ctx.Done():
			return
		}
	}
}

func (d *demo) conclude(ctx context.Context, keys []string) error {
	completed := 0
	for _, key := range keys {
		e, err := d.client.Experiment(ctx, key)
		if err != nil {
			return err
		}
		if err := d.report(ctx, e); err != nil {
			return err
		}
		if e.Outcome == "completed" {
			completed++
		}
	}
	fmt.Fprintf(d.out, "\n%d of %d experiments completed in %s.\n", completed, len(keys), time.Since(d.began).Round(100*time.Millisecond))
	if completed != len(keys) {
		return &exitError{code: exitIncomplete}
	}
	fmt.Fprintln(d.out, "\nNext: `make local` keeps such a cloud running, for programs of your own.")
	return nil
}

// report prints what is left of an experiment: its record, its metadata document, its artifacts and the end of its output.
func (d *demo) report(ctx context.Context, e client.Experiment) error {
	record, err := d.client.Record(ctx, e.Key)
	if err != nil {
		return err
	}
	d.heading("%s: the record gs://%s/experiments/%s", d.name(e.Key), d.state.Metadata, e.Key)
	d.printIndented(withoutDocument(record))
	d.heading("%s: the metadata document", d.name(e.Key))
	d.printIndented(e.Document)
	d.heading("%s: gs://%s/experiments/%s/", d.name(e.Key), d.state.Store, e.Key)
	artifacts, err := d.client.Artifacts(ctx, e.Key)
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		fmt.Fprintf(d.out, "%8s  %s\n", humanize.Bytes(uint64(max(a.Size, 0))), a.Label+".tar")
	}
	d.heading("%s: the end of `output` in output.tar", d.name(e.Key))
	var text bytes.Buffer
	if _, err := d.client.Output(e.Key).CopyNew(ctx, &text); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	fmt.Fprintln(d.out, strings.Join(lines[max(0, len(lines)-demoTail):], "\n"))
	return nil
}

func (d *demo) heading(format string, args ...any) {
	fmt.Fprintf(d.out, "\n── "+format+"\n", args...)
}

func (d *demo) printIndented(data json.RawMessage) {
	var text bytes.Buffer
	if json.Indent(&text, data, "", "  ") != nil { // no document, or none that fits the record
		text.Write(data)
	}
	fmt.Fprintln(d.out, text.String())
}

// withoutDocument leaves out of a record what is shown by itself, and where things lie, which is long and the client's.
func withoutDocument(data json.RawMessage) json.RawMessage {
	var r map[string]json.RawMessage
	var cloud map[string]json.RawMessage
	if json.Unmarshal(data, &r) != nil || json.Unmarshal(r["cloud"], &cloud) != nil {
		return data
	}
	delete(cloud, "document")
	delete(r, "artifacts")
	r["cloud"], _ = json.Marshal(cloud) // was just decoded
	short, err := json.Marshal(r)
	if err != nil {
		return data
	}
	return short
}

func (d *demo) name(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[key]
}

func (d *demo) line(name, what, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lineAt(time.Now(), name, what, text)
}

// lineAt prints a line under the lock.
func (d *demo) lineAt(at time.Time, name, what, text string) {
	on := d.screenOf(d.out)
	began := fmt.Sprintf("%6.1fs", at.Sub(d.began).Seconds())
	indent := len(began) + len(gap) + 6 + len(gap) + hopWidth
	fmt.Fprintf(d.out, "%s  %-6s  %s%s\n", on.paint(dim, began), name, on.paintHop(what, text), hang(text, on.width, indent))
}

// lineWriter hands over whole lines.
type lineWriter struct {
	print func(string)
	rest  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.print(string(line))
		w.rest = rest
	}
}

// writeDemo writes the demonstration's experiment into a folder of its own.
func writeDemo() (string, error) {
	folder, err := os.MkdirTemp("", "studio-demo-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the demonstration: %w", err)
	}
	for _, name := range []string{"train.py", "requirements.txt"} {
		data, err := demoFiles.ReadFile("demo/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), data, 0o600)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("write the demonstration: %w", err), os.RemoveAll(folder))
		}
	}
	return folder, nil
}

// hostOf is the host and port of a URL, for a line that must not show a password.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "@")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
