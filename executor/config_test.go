package main

import (
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
		"REQUEST_KEYS": key, "KILL_GRACE": "0s", "URL_CA_FILE": key, "REPORT_RATE": "0",
	} {
		env[name] = value
	}
	_, err := loadConfig(t.Context(), envconfig.MapLookuper(env))
	if err == nil {
		t.Fatal("loadConfig took settings full of faults")
	}
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "TENANTS", "POOL ", "EXECUTOR_NAME", "LEASE", "MAX_ATTEMPTS", "REQUEST_KEYS", "KILL_GRACE", "URL_CA_FILE", "REPORT_RATE"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s:\n%v", name, err)
		}
	}
}

func TestExecutorHoldsAsManyExperimentsAsItsPoolHasSlots(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(settings(t)))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MaxConcurrent != 4 {
		t.Errorf("MaxConcurrent = %d, want the 4 slots of one card", cfg.MaxConcurrent)
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
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env))
	if err != nil || len(cfg.keys) != 1 {
		t.Fatalf("loadConfig = %d keys, %v; want one", len(cfg.keys), err)
	}
	env["REQUEST_PASSPHRASE_FILE"] = dir + "/wrong"
	if _, err = loadConfig(t.Context(), envconfig.MapLookuper(env)); err == nil || strings.Contains(err.Error(), "other") {
		t.Errorf("loadConfig with a wrong passphrase = %v; want an error that does not show it", err)
	}
}

func TestPackageIndexSettingsArePassedToUvAndNothingElse(t *testing.T) {
	t.Parallel()
	env := settings(t)
	env["UV_DEFAULT_INDEX"], env["AMQP_URL"] = "https://index.example/simple", "amqp://u:secret@h"
	cfg, err := loadConfig(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.uvEnv) != 1 || cfg.uvEnv[0] != "UV_DEFAULT_INDEX=https://index.example/simple" {
		t.Errorf("uv gets %q", cfg.uvEnv)
	}
}
