package doctor

import (
	"slices"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// Deployment is what is examined. What is empty is not known here.
type Deployment struct {
	client.Deployment
	Management  string // URL of RabbitMQ's management API; AMQP's host and port + 10000 if empty
	Queue       string // begins the name of the queue that is made, where RabbitMQ lets the user have no others
	EventsTopic string
	Region      string
	Name        string // begins the names of functions and jobs
	Worker      string // the worker pool that relays in place of a function that is called; "" for none
	Pools       pool.List
	Machines    map[string]Machine // by pool; where Terraform's output tells of them
	Buckets     []string
	Readable    []string          // further buckets, that executors only read
	Stores      []string          // those of them whose new objects finalize is told of
	Functions   map[string]string // addresses; of the local cloud
	Keys        Keys
	Google      string // URL that stands for https://SERVICE.googleapis.com, for tests, in which emulators stand for Google's own, too
}

// Machine is what the nodes of a pool are, as Terraform's output has it.
type Machine struct {
	MaxNodes int    `json:"max_nodes"`
	GPUType  string `json:"gpu_type"` // Compute Engine's name of the card, such as nvidia-l4
	Spot     bool   `json:"spot"`
}

// local tells whether the services are those of a cloud on this machine.
func (d Deployment) local() bool { return d.PubSubEmulator != "" && d.Google == "" }

// mend is how what is missing comes into being.
func (d Deployment) mend() string {
	if d.local() {
		return "start `studioctl local` again"
	}
	return "run `terraform apply`, which makes it as it must be"
}

// Checks are all checks of the deployment, in the order in which a request passes what they examine.
func (d Deployment) Checks() []Check {
	checks := []Check{
		{"rabbitmq", d.rabbitMQ},
		{"rabbitmq management", d.management},
		{"keys", d.Keys.examine},
		{"function relay", d.function("relay")},
		{"function report", d.function("report")},
		{"function finalize", d.function("finalize")},
		{"scheduler", d.scheduler},
	}
	for _, p := range d.Pools {
		if p.Kind == pool.KindRunJob {
			checks = append(checks, Check{"starter " + p.Name, d.starter(p.Name)})
		}
	}
	checks = append(append(checks, d.messages()...), d.objects()...)
	if len(d.Pools) == 0 || slices.ContainsFunc(d.Pools, func(p pool.Pool) bool { return p.GPUs > 0 }) {
		checks = append(checks, Check{"gpu quota", d.quota})
	}
	return checks
}

func (d Deployment) messages() (checks []Check) {
	for _, s := range d.subscriptions() {
		checks = append(checks, Check{"pubsub " + s.name, d.subscription(s)})
	}
	for _, topic := range []string{d.EventsTopic, artifacts} {
		checks = append(checks, Check{"pubsub " + topic, d.topic(topic)})
	}
	checks = append(checks, Check{"dead letters", d.deadLetters}, Check{"dead letter rights", d.letterRights})
	for _, p := range d.Pools {
		checks = append(checks, Check{"executors " + p.Name, d.executors(p)})
	}
	return checks
}

func (d Deployment) objects() (checks []Check) {
	for _, bucket := range d.Buckets {
		checks = append(checks, Check{"bucket " + bucket, d.bucket(bucket)})
	}
	for _, bucket := range d.Readable {
		checks = append(checks, Check{"bucket " + bucket, d.readable(bucket)})
	}
	for _, store := range d.Stores {
		checks = append(checks, Check{"notifications " + store, d.notifications(store)}, Check{"trigger " + store, d.trigger(store)})
	}
	return checks
}
