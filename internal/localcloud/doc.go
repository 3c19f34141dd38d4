// Package localcloud runs the whole path on one machine: a private RabbitMQ, Pub/Sub, Cloud Storage with its S3 face, Eventarc,
// Cloud Scheduler, and this project's programs, each a process of its own and restarted when it ends.
//
// Everything listens on free ports of loopback and is reached by the same clients as in the cloud; what a hop promises there
// it promises here. Pub/Sub and Cloud Storage live in memory and end with the cloud; RabbitMQ's data, keys, logs and the executors'
// folders lie in one folder. [Start] returns when a request could be sent. [Cloud.Close] leaves no process, nor does a
// Start that fails or is interrupted; when this process is killed, the others die with it.
package localcloud
