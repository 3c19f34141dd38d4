package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

type doctorFlags struct {
	deployment, region, name, management string
	skip                                 []string
	within                               time.Duration
}

func newDoctor(a *app) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check a deployment, and say what to do where it is ill", Args: usageArgs(cobra.NoArgs), GroupID: groupClouds,
		SuggestFor: []string{"check", "health", "diagnose"},
		Long: `Doctor checks RabbitMQ, keys, functions, Pub/Sub, executors, buckets and
quota, all at once, and prints a line for each: pass, warn, fail, or "not here"
for what cannot be seen from here; below it, what to do. It makes a queue, and
an object in each bucket, that nothing acts on, and removes them. Exit code 1:
a check failed.`,
		Example: `  studioctl doctor
  studioctl doctor --context vision --region us-central1
  studioctl doctor --deployment deployment.json --skip "bucket *"`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.deployment, "deployment", "", "file of Terraform's output deployment, as it lies in the configuration bucket")
	flags.StringVar(&f.region, "region", "", "region of the functions and of the GPUs")
	flags.StringVar(&f.name, "name", "", `beginning of the names of functions and jobs (default "studio")`)
	flags.StringVar(&f.management, "management-url", "", "RabbitMQ's management API (RABBITMQ_MANAGEMENT_URL; default AMQP's host, port + 10000)")
	flags.StringSliceVar(&f.skip, "skip", nil, "checks to leave out; * ends the beginning of several names")
	flags.DurationVar(&f.within, "within", 20*time.Second, "how long a check may take")
	return cmd
}

func (a *app) doctor(ctx context.Context, f doctorFlags) error {
	d, err := a.patient(f)
	if err != nil {
		return err
	}
	checks := d.Checks()
	for i, c := range checks {
		if slices.ContainsFunc(f.skip, func(name string) bool { return matches(name, c.Name) }) {
			checks[i].Examine = func(context.Context) doctor.Finding {
				return doctor.Finding{Status: doctor.NotHere, Says: "left out by --skip"}
			}
		}
	}
	failed, err := doctor.Run(ctx, checks, f.within, a.showLine)
	if err != nil {
		return err
	}
	if failed > 0 {
		return &exitError{code: 1, err: fmt.Errorf("%d of %d checks failed", failed, len(checks))}
	}
	return nil
}

func matches(pattern, name string) bool {
	beginning, several := strings.CutSuffix(pattern, "*")
	return pattern == name || several && strings.HasPrefix(name, beginning)
}

func (a *app) showLine(l doctor.Line) error {
	if a.json {
		return a.printJSON(l)
	}
	styles := map[doctor.Status]style{doctor.Pass: green, doctor.Warn: yellow, doctor.Fail: red, doctor.NotHere: dim}
	on := a.screenOf(a.out)
	fmt.Fprintf(a.out, "%s  %s: %s\n", on.paint(styles[l.Status], fmt.Sprintf("%-8s", l.Status)), l.Check, strings.ReplaceAll(l.Says, "\n", "; "))
	if l.Next != "" {
		fmt.Fprintf(a.out, "          next: %s\n", l.Next)
	}
	return nil
}

// patient is the deployment as far as flags, context and files tell of it.
func (a *app) patient(f doctorFlags) (d doctor.Deployment, err error) {
	if f.deployment != "" {
		d, err = a.described(f.deployment)
	} else {
		d, err = a.named()
	}
	if err != nil {
		return d, err
	}
	d.Region, d.Name = cmp.Or(f.region, d.Region), cmp.Or(f.name, d.Name, "studio")
	d.Management = cmp.Or(f.management, a.lookup("RABBITMQ_MANAGEMENT_URL"), d.Management)
	return d, nil
}

// named is the deployment that a context, flags or the local cloud name.
func (a *app) named() (d doctor.Deployment, err error) {
	t, err := a.deployment()
	if err != nil {
		return d, err
	}
	if t.AMQPURL == "" && t.amqp.text != "" {
		if t, err = a.dialable(t); err != nil {
			return d, err
		}
	}
	d = doctor.Deployment{Deployment: t.Deployment, Queue: t.Queue, EventsTopic: t.EventsTopic}
	d.Buckets, d.Stores = slices.Compact([]string{t.Store, t.Metadata}), []string{t.Store}
	if t.Context == localContext {
		state, err := a.readState()
		if err != nil {
			return d, err
		}
		d.Management, d.Functions = state.ManagementURL, state.Functions
	}
	if t.Pools != "" {
		if d.Pools, err = pool.Load(t.Pools); err != nil {
			return d, err
		}
	}
	d.Keys, err = a.keysOf(t)
	return d, err
}

// keysOf are what the cluster accepts, as `keys accepted` finds it, and the user's own.
func (a *app) keysOf(t target) (k doctor.Keys, err error) {
	f := acceptedFlags{tenants: t.Tenants, signing: t.SigningKeys, reports: t.ReportKeys}
	if t.RequestKeys != "" {
		f.requests, f.passphrases = []string{t.RequestKeys}, []string{t.Passphrase}
	}
	places, err := f.read()
	if err != nil {
		return k, err
	}
	accepted, faults := places.keys()
	k.Faults = faults
	for _, key := range accepted {
		k.Accepted = append(k.Accepted, doctor.Key{For: key.For, Fingerprint: key.Fingerprint, From: key.From})
	}
	for _, mine := range []doctor.Key{{For: "request", From: t.RequestKey}, {For: "signing", From: t.SigningKey}, {For: "report", From: t.ReportKey}} {
		if mine.From != "" {
			k.Mine = append(k.Mine, fingerprinted(mine))
		}
	}
	return k, nil
}

func fingerprinted(k doctor.Key) doctor.Key {
	data, err := os.ReadFile(k.From)
	if err != nil {
		k.Err = err
		return k
	}
	keys, err := keyfile.Parse(data, nil)
	if err == nil && len(keys) != 1 {
		err = errors.New("it must hold one key")
	}
	if k.Err = err; err == nil {
		k.Fingerprint = keys[0].Fingerprint
	}
	return k
}

// described is the deployment that Terraform describes.
func (a *app) described(file string) (d doctor.Deployment, err error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return d, fmt.Errorf("read the deployment: %w", err)
	}
	var of struct {
		Project, Region, Name string
		Pools                 json.RawMessage
		Tenants               struct {
			Tenants []struct{ Store, Metadata string }
		}
		Topics struct{ Events string }
	}
	if err := json.Unmarshal(data, &of); err != nil {
		return d, fmt.Errorf("read the deployment %s (`terraform output -json deployment` prints one): %w", file, err)
	}
	d = doctor.Deployment{
		Region: of.Region, Name: of.Name, EventsTopic: cmp.Or(of.Topics.Events, "studio-events"),
		Deployment: client.Deployment{Project: of.Project, AMQPURL: a.lookup("AMQP_URL"), StorageEmulator: a.lookup("STORAGE_EMULATOR_HOST"), PubSubEmulator: a.lookup("PUBSUB_EMULATOR_HOST")},
	}
	for _, t := range of.Tenants.Tenants {
		d.Buckets, d.Stores = append(d.Buckets, t.Store, t.Metadata), append(d.Stores, t.Store)
	}
	for _, list := range []*[]string{&d.Buckets, &d.Stores} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if of.Project == "" || len(d.Buckets) == 0 {
		return d, fmt.Errorf("read the deployment %s: it names no project or no tenant; `terraform output -json deployment` prints one", file)
	}
	if d.Pools, err = pool.Parse(string(of.Pools)); err != nil {
		return d, fmt.Errorf("read the deployment %s: %w", file, err)
	}
	return d, nil
}
