package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/leaf-ai/studio-cloud-runner/internal/record"
)

// Deployment is where a cluster is. The hosts of emulators are empty for a real project.
type Deployment struct {
	AMQPURL         string `json:"amqp_url"` // carries a password
	Project         string `json:"project"`
	Store           string `json:"store"`            // bucket of artifacts
	Metadata        string `json:"metadata"`         // bucket of records
	S3Endpoint      string `json:"s3_endpoint"`      // of the S3 protocol; https://storage.googleapis.com in a real project
	StorageEmulator string `json:"storage_emulator"` // host:port or URL, "" for Google's
	PubSubEmulator  string `json:"pubsub_emulator"`  // host:port, "" for Google's
}

// Check tells what is missing before anything is tried.
func (d Deployment) Check() (err error) {
	for name, value := range map[string]string{"store bucket": d.Store, "metadata bucket": d.Metadata} {
		if value == "" {
			err = errors.Join(err, fmt.Errorf("the %s is not set", name))
		}
	}
	return err
}

// Client holds the connections to a deployment. Close it.
type Client struct {
	Deployment
	Progress Progress // may be nil

	objects *storage.Client
	records *record.Store
}

// New connects to the deployment's storage. RabbitMQ is dialled by Submit alone.
func New(ctx context.Context, d Deployment) (*Client, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	objects, err := d.Storage(ctx)
	if err != nil {
		return nil, err
	}
	return &Client{Deployment: d, objects: objects, records: record.New(objects, time.Now)}, nil
}

// Close ends the connections.
func (c *Client) Close() error { return c.objects.Close() }

// Storage connects to the deployment's Cloud Storage. The caller closes it.
func (d Deployment) Storage(ctx context.Context) (*storage.Client, error) {
	var opts []option.ClientOption
	if d.StorageEmulator != "" {
		endpoint := d.StorageEmulator
		if !strings.Contains(endpoint, "://") {
			endpoint = "http://" + endpoint
		}
		opts = append(opts, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"), option.WithoutAuthentication())
	}
	objects, err := storage.NewClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to Cloud Storage (for a real project, sign in first: gcloud auth application-default login): %w", err)
	}
	return objects, nil
}

// PubSub connects to the deployment's Pub/Sub. The caller closes it.
func (d Deployment) PubSub(ctx context.Context) (*pubsub.Client, error) {
	var opts []option.ClientOption
	if d.PubSubEmulator != "" {
		opts = append(opts, option.WithEndpoint(d.PubSubEmulator), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	c, err := pubsub.NewClient(ctx, d.Project, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to Pub/Sub of project %s: %w", d.Project, err)
	}
	return c, nil
}

// ref names an experiment's record.
func (c *Client) ref(key string) record.Ref { return record.Ref{Bucket: c.Metadata, Key: key} }

// qualified is an object's address as the Python client writes it.
func (d Deployment) qualified(bucket, key string) string {
	host := "storage.googleapis.com"
	if u, err := url.Parse(d.S3Endpoint); err == nil && u.Host != "" {
		host = u.Host
	}
	return "s3://" + host + "/" + bucket + "/" + key
}
