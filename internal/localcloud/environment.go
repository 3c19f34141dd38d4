package localcloud

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// passed are the variables that programs get from outside: where programs are, and the standard ones by which an operator
// says how the network and the package index are reached. Names that end in _ are prefixes.
var passed = []string{
	"PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "URL_CA_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "UV_",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}

// indexes maps pip's settings to uv's, which does not read them.
var indexes = map[string]string{"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX", "PIP_FIND_LINKS": "UV_FIND_LINKS"}

// inherited chooses from environ what programs may see.
func inherited(environ []string) map[string]string {
	env := map[string]string{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if other := indexes[name]; other != "" && env[other] == "" {
			env[other] = value
		}
		if slices.ContainsFunc(passed, func(p string) bool {
			return name == p || strings.HasSuffix(p, "_") && strings.HasPrefix(name, p)
		}) {
			env[name] = value
		}
	}
	return env
}

// common is what all programs get.
func (c *Cloud) common() map[string]string {
	env := inherited(c.options.Environ)
	for name, value := range map[string]string{
		"HOME":                  c.folders.home,
		"HOST":                  "127.0.0.1",
		"GOOGLE_CLOUD_PROJECT":  project,
		"PUBSUB_EMULATOR_HOST":  c.PubSubHost,
		"STORAGE_EMULATOR_HOST": c.StorageURL,
		"TENANTS":               c.keys.tenants,
		"SIGNING_KEYS":          c.keys.signingKeys,
		"REPORT_KEYS":           c.keys.reportKeys,
		"POOLS":                 c.Pools,
		"EVENTS_TOPIC":          eventsTopic,
		"DEAD_LETTER_TOPIC":     deadLetterTopic,
		"REPORTS_TOPIC":         reportsTopic,
		"CLEAR_TEXT_MESSAGES":   "true",
		"LOG_LEVEL":             c.options.LogLevel.String(),
	} {
		env[name] = value
	}
	return env
}

func (c *Cloud) bridgeEnv(port int) map[string]string {
	return map[string]string{
		"PORT":                    strconv.Itoa(port),
		"AMQP_URL":                c.AMQPURL,
		"RABBITMQ_MANAGEMENT_URL": c.ManagementURL,
		"RELAY_DISCOVERY":         "1s", // somebody waits for the first request of a new queue
	}
}

func (c *Cloud) reportEnv(port int) map[string]string {
	env := c.bridgeEnv(port)
	env["FUNCTION_TARGET"] = "Report"
	return env
}

func (c *Cloud) executorEnv(pool string) map[string]string {
	env := map[string]string{
		"POOL":                    pool,
		"EXECUTOR_NAME":           pool,
		"REQUEST_KEYS":            c.keys.request,
		"REQUEST_PASSPHRASE_FILE": c.keys.passphrase,
		"WORK_DIR":                filepath.Join(c.folders.work, pool),
		"CACHE_DIR":               filepath.Join(c.folders.cache, pool),
		"S3_HOSTS":                strings.Join(c.S3Hosts, ","),
		"URL_NETWORKS":            "127.0.0.0/8,::1/128",
		"EXPERIMENT_UID":          strconv.FormatUint(uint64(c.experimentUID(pool)), 10),
	}
	if c.options.UV != "" {
		env["UV"] = c.options.UV
	}
	return env
}

// s3Hosts are the names by which experiments may know the S3 face.
func s3Hosts(address string) []string {
	s3, _ := url.Parse(address) // was made of a listener's address
	return []string{s3.Host, "localhost:" + s3.Port(), "storage.googleapis.com"}
}

// experimentUID keeps the users of two executors' experiments apart, of which each has one for each of its slots.
func (c *Cloud) experimentUID(pool string) uint32 {
	if c.options.ExperimentUID != 0 && pool == gpuPool {
		return c.options.ExperimentUID + 1000
	}
	return c.options.ExperimentUID
}

// environ makes a program's environment of the common variables, its own and the caller's, the later ones winning.
func (c *Cloud) environ(binary string, own map[string]string) []string {
	env, all := c.common(), []map[string]string{own, c.options.Settings}
	if binary == "executor" {
		all = append(all, c.options.Executors)
	}
	for _, more := range all {
		for name, value := range more {
			env[name] = value
		}
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
