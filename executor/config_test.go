package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// settings are those of an executor that would start.
func settings(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	tenants := filepath.Join(dir, "tenants.json")
	if err := os.WriteFile(tenants, []byte(`{"tenants":[{"prefix":"rmq_","store":"team-store","metadata":"team-metadata"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"GOOGLE_CLOUD_PROJECT": "p", "TENANTS": tenants, "POOL": "gpu-t4", "EXECUTOR_NAME": "executor-1",
		"POOLS": `[{"name":"gpu-t4","kind":"gke","gpus":1,"gpu_slots":4,"gpu_mem":"16gb","cpus":3,"ram":"12gb","hdd":"100gb"}]`,
	}
}

func TestEveryFaultOfTheSettingsIsReportedAtOnceByItsName(t *testing.T) {
	t.Parallel()
	env := settings(t)
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"GOOGLE_CLOUD_PROJECT": "", "TENANTS": "/nowhere", "POOL": "other", "EXECUTOR_NAME": "a/b", "LEASE": "5s", "MAX_ATTEMPTS": "0",
		"REQUEST_KEYS": key, "KILL_GRACE": "0s", "URL_CA_FILE": key, "METADATA_GUARD": "true", "LIMIT_IDLE_DURATION": "-1s", "REPORT_RATE": "0",
		"LEAVE_TIMEOUT": "0s", "DISK_RESERVE": "91",
	} {
		env[name] = value
	}
	_, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output())
	if err == nil {
		t.Fatal("loadConfig took settings full of faults")
	}
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "TENANTS", "POOL ", "EXECUTOR_NAME", "LEASE", "MAX_ATTEMPTS", "REQUEST_KEYS", "KILL_GRACE", "URL_CA_FILE", "METADATA_GUARD", "LIMIT_IDLE_DURATION", "REPORT_RATE", "LEAVE_TIMEOUT", "DISK_RESERVE"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s:\n%v", name, err)
		}
	}
}

func TestExecutorHoldsAsManyExperimentsAsItsPoolHasSlots(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(settings(t)), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MaxConcurrent != 4 {
		t.Errorf("MaxConcurrent = %d, want the 4 slots of one card", cfg.MaxConcurrent)
	}
}

func TestTheCachesLimitIsASizeAsInPools(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{"": 50 << 30, "0": 0, "20gb": 20_000_000_000, "53687091200": 50 << 30} {
		env := settings(t)
		if text != "" {
			env["CACHE_LIMIT"] = text
		}
		cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output())
		if err != nil || cfg.CacheLimit != want {
			t.Errorf("CACHE_LIMIT %q: %v, want %d", text, err, want)
		}
	}
	env := settings(t)
	env["CACHE_LIMIT"] = "much"
	if _, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output()); err == nil || !strings.Contains(err.Error(), "CACHE_LIMIT") && !strings.Contains(err.Error(), "CacheLimit") {
		t.Errorf("CACHE_LIMIT much: %v", err)
	}
}

func TestEncryptedRequestKeyIsOpenedByThePassphraseFile(t *testing.T) {
	t.Parallel()
	env := settings(t)
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.MarshalPEM([]byte("Pass Phrase"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"key.pem": pem, "phrase": []byte("Pass Phrase\n"), "wrong": []byte("other")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env["REQUEST_KEYS"], env["REQUEST_PASSPHRASE_FILE"] = dir+"/key.pem", dir+"/phrase"
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output())
	if err != nil || len(cfg.keys.Keys()) != 1 {
		t.Fatalf("loadConfig = %v; want one key", err)
	}
	env["REQUEST_PASSPHRASE_FILE"] = dir + "/wrong"
	if _, err = loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output()); err == nil || strings.Contains(err.Error(), "other") {
		t.Errorf("loadConfig with a wrong passphrase = %v; want an error that does not show it", err)
	}
}

func TestPackageIndexSettingsArePassedToUvAndNothingElse(t *testing.T) {
	t.Parallel()
	env := settings(t)
	env["UV_DEFAULT_INDEX"], env["AMQP_URL"] = "https://index.example/simple", "amqp://u:secret@h"
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.uvEnv) != 1 || cfg.uvEnv[0] != "UV_DEFAULT_INDEX=https://index.example/simple" {
		t.Errorf("uv gets %q", cfg.uvEnv)
	}
}

// An executor that is told of a fault must not only have it; somebody reads its log, whether or not there is work.
func TestFaultsOfTenantsAndKeysAreLogged(t *testing.T) {
	t.Parallel()
	env, dir := settings(t), t.TempDir()
	for name, content := range map[string]string{"rmq_lab": "no key", "rmq_zoo": "no key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env["SIGNING_KEYS"], env["REPORT_KEYS"] = dir, dir
	var logs bytes.Buffer
	if _, err := loadConfig(t.Context(), envconfig.MapLookuper(env), &logs); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"severity":"ERROR"`, "tenants at fault", filepath.Join(dir, "rmq_lab"), filepath.Join(dir, "rmq_zoo"), `"executor":"executor-1"`} {
		if !strings.Contains(logs.String(), part) {
			t.Errorf("the log lacks %s:\n%s", part, logs.String())
		}
	}
	for _, name := range []string{"SIGNING_KEYS", "REPORT_KEYS"} {
		env := settings(t)
		env[name] = filepath.Join(dir, "none")
		if _, err := loadConfig(t.Context(), envconfig.MapLookuper(env), &logs); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), env[name]) {
			t.Errorf("%s names nothing: %v", name, err)
		}
	}
}

func TestRequestKeysAreReadFromMountedSecrets(t *testing.T) {
	t.Parallel()
	env, keys := settings(t), t.TempDir()
	key, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.MarshalPEM(nil)
	if err != nil {
		t.Fatal(err)
	}
	previous := filepath.Join(t.TempDir(), "previous")
	for path, content := range map[string][]byte{
		filepath.Join(keys, "ssh-privatekey"): pem, filepath.Join(keys, "ssh-publickey"): key.Public().MarshalPEM(), previous: pem,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env["REQUEST_KEYS"] = keys + ", " + previous
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.keys.Keys()); n != 2 {
		t.Errorf("%d keys; want that of the folder and that of the file", n)
	}
}
