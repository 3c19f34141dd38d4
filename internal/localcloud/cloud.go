package localcloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"

	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakepubsub"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/program"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/rabbit"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/s3face"
)

// A Cloud is a running local cloud. Its fields do not change after [Start].
type Cloud struct {
	AMQPURL       string // with the guest's password
	ManagementURL string
	PubSubHost    string // PUBSUB_EMULATOR_HOST
	StorageURL    string // STORAGE_EMULATOR_HOST
	S3URL         string
	S3AccessKey   string
	S3SecretKey   string

	Project  string
	Store    string // bucket of artifacts
	Metadata string // bucket of records

	RequestPublicKey string // file of the key that requests are sealed with
	SigningKey       string // file of the key that requests to sealed queues are signed with
	SealedQueue      string // a queue that takes sealed requests only; all that begin so do

	// A second tenant, whose queues take sealed requests only and whose keys lie in folders as Kubernetes mounts secrets.
	OtherQueue, OtherStore, OtherMetadata string
	OtherSigningKey                       string // file
	ReportKey                             string // file of the key that opens reports on requests of every queue
	LogDir                                string
	Functions                             map[string]string // address of relay, report and finalize

	// What the programs are told, for whoever foretells what they will do.
	Pools             string   // POOLS
	Tenants           string   // TENANTS
	SigningKeys       string   // SIGNING_KEYS
	ReportKeys        string   // REPORT_KEYS
	RequestPrivateKey string   // REQUEST_KEYS
	PassphraseFile    string   // REQUEST_PASSPHRASE_FILE
	S3Hosts           []string // S3_HOSTS

	Broker *rabbit.Server // for tests to kill and restart

	options  Options
	folders  folders
	keys     keys
	log      *slog.Logger
	logs     *logFiles
	http     *http.Client
	pubsub   *fakepubsub.Server
	link     io.Closer // this process's connection to Pub/Sub
	messages *pubsub.Client
	notices  *pubsub.Publisher
	letters  *pubsub.Publisher
	gcs      *fakegcs.Server
	objects  *storage.Client
	s3       *s3face.Server

	mu       sync.Mutex
	programs map[string]*program.Program
	loops    sync.WaitGroup
	quiet    context.CancelFunc // ends the scheduler
	unloop   context.CancelFunc // ends Eventarc too
	close    func() error
}

// Start starts everything and waits until it is ready. The end of ctx interrupts the start, and nothing after it.
func Start(ctx context.Context, o Options) (*Cloud, error) {
	f, err := o.prepare()
	if err != nil {
		return nil, err
	}
	c := &Cloud{
		Project: project, Store: store, Metadata: metadata, SealedQueue: sealedPrefix, LogDir: f.logs,
		OtherQueue: otherPrefix, OtherStore: otherStore, OtherMetadata: otherMetadata,
		S3AccessKey: "studio", S3SecretKey: random(),
		options: o, folders: f, logs: &logFiles{dir: f.logs, all: o.Logs},
		http:     &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: finalizeConcurrency}},
		programs: map[string]*program.Program{}, Functions: map[string]string{},
	}
	c.close = sync.OnceValue(c.shutdown)
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the local cloud: %w", err), c.Close())
	}
	return c, nil
}

// start brings up RabbitMQ, which takes longest, beside everything that can do without; the bridge comes last.
func (c *Cloud) start(ctx context.Context) error {
	out, err := c.logs.open("local")
	if err != nil {
		return err
	}
	c.log = cloudlog.New(out, slog.LevelInfo, "local")
	if c.Pools, err = poolsText(c.folders.root); err != nil {
		return err
	}
	looping, unloop := context.WithCancel(context.WithoutCancel(ctx))
	scheduling, quiet := context.WithCancel(looping)
	c.unloop, c.quiet = unloop, quiet
	parts, partsCtx := errgroup.WithContext(ctx)
	parts.Go(func() error { return c.startBroker(partsCtx) })
	parts.Go(func() error { return c.startRest(partsCtx, looping) })
	if err := parts.Wait(); err != nil {
		return err
	}
	bridge, ctx := errgroup.WithContext(ctx)
	bridge.Go(func() error { return c.startBridge(ctx, scheduling) })
	bridge.Go(func() error { return c.startReport(ctx, looping) })
	return bridge.Wait()
}

func (c *Cloud) startBroker(ctx context.Context) error {
	out, err := c.logs.open("rabbitmq")
	if err != nil {
		return err
	}
	if c.Broker, err = rabbit.Start(ctx, c.folders.rabbit, out); err != nil {
		return err
	}
	c.AMQPURL, c.ManagementURL = c.Broker.AMQPURL, c.Broker.ManagementURL
	return nil
}

func (c *Cloud) startRest(ctx, looping context.Context) error {
	services, servicesCtx := errgroup.WithContext(ctx)
	services.Go(func() error { return c.startServices(servicesCtx) })
	services.Go(func() (err error) {
		c.keys, err = makeKeys(c.folders.keys)
		return err
	})
	if err := services.Wait(); err != nil {
		return err
	}
	c.RequestPublicKey, c.SigningKey, c.ReportKey = c.keys.requestPublic, c.keys.signing, c.keys.report
	c.RequestPrivateKey, c.PassphraseFile, c.Tenants = c.keys.request, c.keys.passphrase, c.keys.tenants
	c.SigningKeys, c.ReportKeys, c.OtherSigningKey = c.keys.signingKeys, c.keys.reportKeys, c.keys.otherSigning
	c.S3Hosts = s3Hosts(c.S3URL)
	programs, ctx := errgroup.WithContext(ctx)
	programs.Go(func() error { return c.startFinalize(ctx, looping) })
	for _, name := range []string{cpuPool, gpuPool} {
		programs.Go(func() error { return c.startExecutor(ctx, name) })
	}
	return programs.Wait()
}

// Program finds a program for tests to kill: bridge, report, finalize, executor-local-cpu or executor-local-gpu. There is none of another name.
func (c *Cloud) Program(name string) *program.Program {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.programs[name]
}

// Close stops intake first and what it depends on after it, waits, and removes the folder of a temporary cloud. Running
// experiments are saved and given back, to end with the cloud. Closing twice is harmless.
func (c *Cloud) Close() error { return c.close() }

func (c *Cloud) shutdown() error {
	errs := []error{c.stopPrograms()}
	if c.notices != nil {
		c.notices.Stop()
		c.letters.Stop()
	}
	var broker error
	var stopping sync.WaitGroup
	if c.Broker != nil {
		stopping.Go(func() { broker = c.Broker.Close() })
	}
	// The order is the reverse of the start; what was not reached is nil.
	if c.s3 != nil {
		errs = append(errs, c.s3.Close())
	}
	if c.objects != nil {
		errs = append(errs, c.objects.Close())
	}
	if c.gcs != nil {
		errs = append(errs, c.gcs.Close())
	}
	if c.messages != nil {
		errs = append(errs, c.messages.Close())
		_ = c.link.Close() // the client may have closed it
	}
	if c.pubsub != nil {
		errs = append(errs, c.pubsub.Close())
	}
	c.http.CloseIdleConnections()
	stopping.Wait()
	errs = append(errs, broker, c.logs.close())
	if c.options.Temporary {
		errs = append(errs, os.RemoveAll(c.folders.root))
	}
	return errors.Join(errs...)
}
