package doctor

import (
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
	Pools       pool.List
	Buckets     []string
	Stores      []string          // those of them whose new objects finalize is told of
	Functions   map[string]string // addresses; of the local cloud
	Keys        Keys
	Google      string // URL that stands for https://SERVICE.googleapis.com, for tests
}

// local tells whether the services are those of a cloud on this machine.
func (d Deployment) local() bool { return d.PubSubEmulator != "" }

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
	for _, s := range d.subscriptions() {
		checks = append(checks, Check{"pubsub " + s.name, d.subscription(s)})
	}
	checks = append(checks, Check{"pubsub " + d.EventsTopic, d.topic(d.EventsTopic)}, Check{"dead letters", d.deadLetters})
	for _, p := range d.Pools {
		checks = append(checks, Check{"executors " + p.Name, d.executors(p)})
	}
	for _, bucket := range d.Buckets {
		checks = append(checks, Check{"bucket " + bucket, d.bucket(bucket)})
	}
	for _, store := range d.Stores {
		checks = append(checks, Check{"notifications " + store, d.notifications(store)})
	}
	return append(checks, Check{"gpu quota", d.quota})
}
