package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/cloudlog"
	"github.com/leaf-ai/studio-cloud-runner/internal/keyring"
	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// config is everything that an executor reads from its environment. docs/settings.md explains each for operators.
type config struct {
	Project         string         `env:"GOOGLE_CLOUD_PROJECT"`
	Tenants         string         `env:"TENANTS"`
	SigningKeys     string         `env:"SIGNING_KEYS"`
	ReportKeys      string         `env:"REPORT_KEYS"`
	Pools           string         `env:"POOLS"`
	Pool            string         `env:"POOL"`
	LogLevel        slog.Level     `env:"LOG_LEVEL, default=INFO"`
	EventsTopic     string         `env:"EVENTS_TOPIC, default=studio-events"`
	DeadLetterTopic string         `env:"DEAD_LETTER_TOPIC, default=studio-dead-letters"`
	ReportsTopic    string         `env:"REPORTS_TOPIC, default=studio-reports"`
	ReportRate      int            `env:"REPORT_RATE, default=100"`
	ClearText       bool           `env:"CLEAR_TEXT_MESSAGES, default=false"`
	RequestKeys     []string       `env:"REQUEST_KEYS"`
	PassphraseFiles []string       `env:"REQUEST_PASSPHRASE_FILE"`
	WorkDir         string         `env:"WORK_DIR, default=/var/lib/studio/work"`
	CacheDir        string         `env:"CACHE_DIR, default=/var/lib/studio/cache"`
	CacheLimit      byteSize       `env:"CACHE_LIMIT, default=50gib"`
	DiskReserve     int            `env:"DISK_RESERVE, default=0"`
	UV              string         `env:"UV, default=uv"`
	DownloadPython  bool           `env:"DOWNLOAD_PYTHON, default=true"`
	S3Hosts         []string       `env:"S3_HOSTS, default=storage.googleapis.com"`
	URLNetworks     []netip.Prefix `env:"URL_NETWORKS"`
	URLCAFile       string         `env:"URL_CA_FILE"`
	ExperimentUID   uint32         `env:"EXPERIMENT_UID, default=0"`
	LibraryPath     string         `env:"EXPERIMENT_LIBRARY_PATH"`
	Heartbeat       time.Duration  `env:"HEARTBEAT, default=10s"`
	Lease           time.Duration  `env:"LEASE, default=60s"`
	MaxAttempts     int            `env:"MAX_ATTEMPTS, default=5"`
	MaxConcurrent   int            `env:"MAX_CONCURRENT, default=0"`
	AdmissionWait   time.Duration  `env:"ADMISSION_WAIT, default=30s"`
	DrainTimeout    time.Duration  `env:"DRAIN_TIMEOUT, default=0s"`
	LeaveTimeout    time.Duration  `env:"LEAVE_TIMEOUT, default=10s"`
	Grace           time.Duration  `env:"KILL_GRACE, default=10s"`
	SaveTimeout     time.Duration  `env:"SAVE_TIMEOUT, default=30m"`
	IdleLimit       time.Duration  `env:"LIMIT_IDLE_DURATION, default=0s"`
	Name            string         `env:"EXECUTOR_NAME"`
	HealthAddress   string         `env:"HEALTH_ADDRESS"`
	MetadataGuard   bool           `env:"METADATA_GUARD, default=false"`
	PodName         string         `env:"POD_NAME"`
	KubernetesHost  string         `env:"KUBERNETES_SERVICE_HOST"`
	KubernetesPort  string         `env:"KUBERNETES_SERVICE_PORT"`

	uvEnv   []string // settings of the package index and of TLS, passed on to uv as they are
	pools   pool.List
	pool    pool.Pool
	tenants *tenant.Source
	keys    *keyring.Ring
	log     *slog.Logger
	urls    artifact.URLs
}

// byteSize is a number of bytes, written as in requests and pools.
type byteSize int64

// UnmarshalText reads it.
func (s *byteSize) UnmarshalText(text []byte) error {
	n, err := request.ParseSize(string(text))
	*s = byteSize(n)
	return err
}

// uvSettings are the standard variables by which an operator points uv at a package index, a mirror or a proxy.
var uvSettings = []string{
	"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_INDEX_STRATEGY",
	"UV_PYTHON_INSTALL_MIRROR", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

// loadConfig reads the settings and the files that they name, whose later faults it logs. Its error lists every fault by its
// variable's name.
func loadConfig(ctx context.Context, env envconfig.Lookuper, logs io.Writer) (*config, error) {
	var c config
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &c, Lookuper: env}); err != nil {
		return nil, err
	}
	for _, name := range uvSettings {
		if value, ok := env.Lookup(name); ok {
			c.uvEnv = append(c.uvEnv, name+"="+value)
		}
	}
	faults := errors.Join(c.checkNames(), c.checkTimes(), c.loadPools())
	c.log = cloudlog.New(logs, c.LogLevel, "executor").With("executor", c.Name, "pool", c.pool.Name)
	return &c, errors.Join(faults, c.loadTenants(), c.loadKeys(), c.loadURLs())
}

func (c *config) checkNames() (err error) {
	if c.Project == "" {
		err = errors.New("GOOGLE_CLOUD_PROJECT is empty: name the project of the topics and subscriptions")
	}
	if c.Name == "" {
		host, hostErr := os.Hostname()
		if hostErr != nil {
			return errors.Join(err, fmt.Errorf("EXECUTOR_NAME is empty and the host has no name: %w", hostErr))
		}
		c.Name = host
	}
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`).MatchString(c.Name) { // it becomes part of an object's name
		err = errors.Join(err, fmt.Errorf("EXECUTOR_NAME %q: use letters, digits, '.', '_' and '-', at most 63", c.Name))
	}
	if c.DiskReserve < 0 || c.DiskReserve > 90 {
		err = errors.Join(err, fmt.Errorf("DISK_RESERVE %d: a percentage, 0 to 90", c.DiskReserve))
	}
	if c.MetadataGuard && c.ExperimentUID == 0 {
		err = errors.Join(err, errors.New("METADATA_GUARD: the guard tells experiments by their user, set EXPERIMENT_UID"))
	}
	return err
}

func (c *config) checkTimes() (err error) {
	if c.Heartbeat <= 0 || c.Lease < 3*c.Heartbeat {
		err = fmt.Errorf("LEASE %s: it must outlive three heartbeats (HEARTBEAT is %s)", c.Lease, c.Heartbeat)
	}
	if c.MaxAttempts < 1 {
		err = errors.Join(err, fmt.Errorf("MAX_ATTEMPTS %d: at least 1", c.MaxAttempts))
	}
	if c.ReportRate < 1 {
		err = errors.Join(err, fmt.Errorf("REPORT_RATE %d: at least 1 line a second", c.ReportRate))
	}
	if c.IdleLimit < 0 {
		err = errors.Join(err, fmt.Errorf("LIMIT_IDLE_DURATION %s: a time, or 0s for an executor that stays", c.IdleLimit))
	}
	if c.MaxConcurrent < 0 {
		err = errors.Join(err, fmt.Errorf("MAX_CONCURRENT %d: at least 1, or 0 for what the pool holds", c.MaxConcurrent))
	}
	for name, d := range map[string]time.Duration{"KILL_GRACE": c.Grace, "SAVE_TIMEOUT": c.SaveTimeout, "ADMISSION_WAIT": c.AdmissionWait, "LEAVE_TIMEOUT": c.LeaveTimeout} {
		if d <= 0 {
			err = errors.Join(err, fmt.Errorf("%s %s: must be longer than nothing", name, d))
		}
	}
	return err
}

func (c *config) loadPools() error {
	list, err := pool.Load(c.Pools)
	if err != nil {
		return fmt.Errorf("POOLS: %w", err)
	}
	found, ok := list.Find(c.Pool)
	if !ok {
		return fmt.Errorf("POOL %q is not in POOLS", c.Pool)
	}
	c.pools, c.pool = list, found
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = max(1, found.GPUs*found.GPUSlots)
		if found.GPUs == 0 {
			c.MaxConcurrent = max(1, found.CPUs)
		}
	}
	return nil
}

func (c *config) loadTenants() (err error) {
	if c.Tenants == "" {
		return errors.New("TENANTS is empty: name the file or folder that lists queue prefixes with their buckets and keys")
	}
	c.tenants, err = tenant.Open(c.Tenants, tenant.SigningKeys(c.SigningKeys), tenant.ReportKeys(c.ReportKeys),
		tenant.OnFault(func(err error) { c.log.Error("tenants at fault", "error", err) }))
	if err != nil {
		return fmt.Errorf("TENANTS, SIGNING_KEYS or REPORT_KEYS: %w", err)
	}
	return nil
}

// lookEvery is more often than what is known of the files is too old to be used.
const lookEvery = 5 * time.Second

// watchFiles looks at the files while nothing else does: an executor without work reports their faults, too, and no delivery
// waits for a new key to be decrypted.
func (c *config) watchFiles(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.tenants.Tenants()
			c.keys.Keys()
		}
	}
}

// loadURLs reads the authorities that are trusted beside the system's.
func (c *config) loadURLs() error {
	c.urls.Networks = c.URLNetworks
	if c.URLCAFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.URLCAFile)
	if err != nil {
		return fmt.Errorf("URL_CA_FILE: %w", err)
	}
	if c.urls.Roots, err = x509.SystemCertPool(); err != nil {
		return fmt.Errorf("URL_CA_FILE: read the system's authorities, which it adds to: %w", err)
	}
	if !c.urls.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("URL_CA_FILE: %s holds no certificate in PEM", c.URLCAFile)
	}
	return nil
}

// loadKeys reads the request keys: the current one first, then the previous ones, each opened by any of the passphrases.
func (c *config) loadKeys() (err error) {
	c.keys, err = keyring.Open(c.RequestKeys, c.PassphraseFiles, mounted.OnFault(func(err error) { c.log.Error("request keys at fault", "error", err) }))
	if err != nil {
		return fmt.Errorf("REQUEST_KEYS or REQUEST_PASSPHRASE_FILE: %w", err)
	}
	return nil
}
