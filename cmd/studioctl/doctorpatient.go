package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// patient is the deployment as far as flags, context and files tell of it.
func (a *app) patient(in io.Reader, f doctorFlags) (d doctor.Deployment, err error) {
	if f.deployment != "" {
		d, err = a.described(in, f)
	} else {
		d, err = a.named(in, f)
	}
	if err != nil {
		return d, err
	}
	d.Region, d.Name = cmp.Or(f.region, d.Region), cmp.Or(f.name, d.Name, "studio")
	d.Management = cmp.Or(f.management, a.lookup("RABBITMQ_MANAGEMENT_URL"), d.Management)
	return d, nil
}

// named is the deployment that a context, flags or the local cloud name.
func (a *app) named(in io.Reader, f doctorFlags) (d doctor.Deployment, err error) {
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
	if t.Context != localContext {
		r, err := a.resolve()
		if err != nil {
			return d, err
		}
		t.ReportKey = r.values["report_key"].text
	}
	d.Keys, err = t.keys(in, f.secrets)
	return d, err
}

// keys are what the cluster accepts, as `keys accepted` finds it, and the user's own.
func (t target) keys(in io.Reader, secrets string) (k doctor.Keys, err error) {
	f := acceptedFlags{tenants: t.Tenants, signing: t.SigningKeys, reports: t.ReportKeys}
	if t.RequestKeys != "" {
		f.requests, f.passphrases = []string{t.RequestKeys}, []string{t.Passphrase}
	}
	places, err := f.read()
	if err != nil {
		return k, err
	}
	if places, err = places.known(in, secrets); err != nil {
		return k, err
	}
	return places.compared(ownKeys{t.RequestKey, t.SigningKey, t.ReportKey, cmp.Or(t.SealedQueue, t.Queue)}), nil
}

// description is what Terraform's output deployment says that matters here.
type description struct {
	Project, Region, Name string
	Pools                 json.RawMessage
	Tenants               json.RawMessage
	Topics                struct{ Events string }
	Workers               struct{ Relay string }
}

// described is the deployment that Terraform describes.
func (a *app) described(in io.Reader, f doctorFlags) (d doctor.Deployment, err error) {
	data, err := os.ReadFile(f.deployment)
	if err != nil {
		return d, fmt.Errorf("read the deployment: %w", err)
	}
	var of description
	if err := json.Unmarshal(data, &of); err != nil {
		return d, fmt.Errorf("read the deployment %s (`terraform output -json deployment` prints one): %w", f.deployment, err)
	}
	d = doctor.Deployment{
		Region: of.Region, Name: of.Name, Worker: of.Workers.Relay, EventsTopic: cmp.Or(of.Topics.Events, "studio-events"),
		Deployment: client.Deployment{Project: of.Project, AMQPURL: a.lookup("AMQP_URL"), StorageEmulator: a.lookup("STORAGE_EMULATOR_HOST"), PubSubEmulator: a.lookup("PUBSUB_EMULATOR_HOST")},
	}
	d.Buckets, d.Stores, d.Readable = of.buckets()
	if of.Project == "" || len(d.Buckets) == 0 {
		return d, fmt.Errorf("read the deployment %s: it names no project or no tenant; `terraform output -json deployment` prints one", f.deployment)
	}
	if d.Pools, err = pool.Parse(string(of.Pools)); err != nil {
		return d, fmt.Errorf("read the deployment %s: %w", f.deployment, err)
	}
	d.Machines = of.machines()
	own, err := a.own(&d)
	if err != nil {
		return d, err
	}
	at := mounted.Place{Path: f.deployment, Files: []mounted.File{{Name: "tenants", Path: "tenants of " + f.deployment, Data: of.Tenants}}}
	places, err := keyPlaces{tenants: &at}.known(in, f.secrets)
	d.Keys = places.compared(own)
	return d, err
}

// buckets are those of all tenants: all that they write, of these the stores, and what they only read.
func (of description) buckets() (all, stores, readable []string) {
	var list struct {
		Tenants []struct {
			Store, Metadata string
			Buckets         []string
		}
	}
	_ = json.Unmarshal(of.Tenants, &list) // what is at fault, the line keys tells
	for _, t := range list.Tenants {
		all, stores, readable = append(all, t.Store, t.Metadata), append(stores, t.Store), append(readable, t.Buckets...)
	}
	for _, l := range []*[]string{&all, &stores, &readable} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return all, stores, slices.DeleteFunc(readable, func(bucket string) bool { return slices.Contains(all, bucket) })
}

func (of description) machines() map[string]doctor.Machine {
	var list []struct {
		Name    string
		Machine doctor.Machine
	}
	_ = json.Unmarshal(of.Pools, &list) // they were parsed before; what is not there, is not known
	machines := map[string]doctor.Machine{}
	for _, p := range list {
		machines[p.Name] = p.Machine
	}
	return machines
}

// own are the user's keys, if the context is one of the deployment; it then says where RabbitMQ is, too.
func (a *app) own(d *doctor.Deployment) (own ownKeys, err error) {
	r, err := a.resolve()
	if err != nil {
		return own, err
	}
	get := func(name string) string { return r.values[name].text }
	if !slices.Contains(d.Buckets, get("store")) {
		return own, nil
	}
	d.Queue = get("queue")
	if broker := r.broker(); broker.text != "" {
		t, err := a.dialable(target{Context: r.context, amqp: broker})
		if err != nil {
			return own, err
		}
		d.AMQPURL = t.AMQPURL
	}
	return ownKeys{get("request_key"), get("signing_key"), get("report_key"), get("queue")}, nil
}
