package admission

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// A prefix may have its keys in the folder of signing keys alone. What is broken there closes the prefix, to clear text too.
func TestAFileOfSigningKeysClosesItsPrefixToClearText(t *testing.T) {
	t.Parallel()
	c, dir := setup(t), t.TempDir()
	tenants, signing := filepath.Join(dir, "tenants.json"), filepath.Join(dir, "signing")
	files := map[string]string{
		tenants:                                `{"tenants":[{"prefix":"rmq_","store":"lab-store","metadata":"lab-metadata"}]}`,
		filepath.Join(signing, "rmq_lab"):      c.signing.Public().AuthorizedLine("lab"),
		filepath.Join(signing, "rmq_lab_torn"): "ssh-ed25519 AAAA",
		filepath.Join(signing, "info"):         "dummy",
	}
	if err := os.Mkdir(signing, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := tenant.Open(tenants, tenant.SigningKeys(signing))
	if err != nil {
		t.Fatal(err)
	}
	c.Tenants = source.Tenants
	decide := func(queue string, body []byte) error {
		_, err := c.Decide(queue, body)
		return err
	}
	if err := decide("rmq_other", clearRequest("lab", small)); err != nil {
		t.Errorf("clear, no key for its prefix: %v", err)
	}
	if err := decide("rmq_lab_1", c.lab(small)); err != nil {
		t.Errorf("signed with the file's key: %v", err)
	}
	wantRefusal(t, decide("rmq_lab_1", clearRequest("lab", small)), ClearRefused, false, `queues of the prefix "rmq_lab" take sealed`)
	wantRefusal(t, decide("rmq_lab_1", c.seal(small, clearRequest("lab", small), newSigningKey(t))), WrongKey, false, `the prefix "rmq_lab"`)
	wantRefusal(t, decide("rmq_lab_1", c.seal(small, clearRequest("lab", small), envelope.SigningKey{})), Unsigned, false, `the prefix "rmq_lab"`)
	wantRefusal(t, decide("rmq_lab_torn", clearRequest("lab", small)), UnknownTenant, false, "switched off")
	wantRefusal(t, decide("rmq_lab_torn", c.lab(small)), UnknownTenant, false, "switched off")
}
