package relay

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
)

// call sends one request to the service and returns the answer.
func call(t *testing.T, s *Service) (int, Summary) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	var summary Summary
	if err := json.Unmarshal(w.Body.Bytes(), &summary); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return w.Code, summary
}

// environmentOn returns settings for a broker.
func environmentOn(t *testing.T, amqp string, extra map[string]string) envconfig.Lookuper {
	t.Helper()
	tenants := filepath.Join(t.TempDir(), "tenants.json")
	if err := os.WriteFile(tenants, []byte(`{"tenants":[{"prefix":"rmq_","store":"a-store","metadata":"a-metadata"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := sound()
	env["AMQP_URL"], env["TENANTS"] = amqp, tenants
	for name, value := range extra {
		env[name] = value
	}
	return envconfig.MapLookuper(env)
}

func TestFaultySettingsAreA500(t *testing.T) {
	t.Parallel()
	s := NewService(envconfig.MapLookuper(map[string]string{"AMQP_URL": "amqp://u:s3cr%et@h"}), &lockedBuffer{})
	code, summary := call(t, s)
	if code != http.StatusInternalServerError || strings.Contains(summary.Error, "s3cr") {
		t.Errorf("answer %d, %s", code, summary.Error)
	}
	mustContain(t, "error", summary.Error, "AMQP_URL")
	mustContain(t, "error", summary.Error, "POOLS")
}

func TestAnAbsentTenantsFileIsA500(t *testing.T) {
	t.Parallel()
	env := sound()
	env["TENANTS"] = filepath.Join(t.TempDir(), "absent")
	if code, summary := call(t, NewService(envconfig.MapLookuper(env), &lockedBuffer{})); code != http.StatusInternalServerError {
		t.Errorf("answer %d, %s", code, summary.Error)
	}
}
