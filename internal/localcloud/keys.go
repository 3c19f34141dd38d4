package localcloud

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// keyBits is enough for a key that lives as long as this process and opens what is on loopback; 4096 would take seconds to make.
const keyBits = 2048

// keys are the files of a sealed request's keys, of the passphrase, of the key that reports are opened with, and of the tenants.
type keys struct {
	request, passphrase, requestPublic string
	signing, report                    string
	tenants                            string
}

// makeKeys generates everything anew and writes it so that only this user can read it.
func makeKeys(dir string) (keys, error) {
	k := keys{
		request: filepath.Join(dir, "request.pem"), requestPublic: filepath.Join(dir, "request.pub.pem"),
		passphrase: filepath.Join(dir, "passphrase"), signing: filepath.Join(dir, "signing"),
		report: filepath.Join(dir, "report.pem"), tenants: filepath.Join(dir, "tenants.json"),
	}
	request, err := envelope.GeneratePrivateKey(keyBits)
	if err != nil {
		return keys{}, fmt.Errorf("make the request key: %w", err)
	}
	passphrase := []byte(random())
	sealed, err := request.MarshalPEM(passphrase)
	if err != nil {
		return keys{}, fmt.Errorf("encode the request key: %w", err)
	}
	signing, err := envelope.GenerateSigningKey()
	if err != nil {
		return keys{}, fmt.Errorf("make the signing key: %w", err)
	}
	openssh, err := signing.MarshalPEM(nil)
	if err != nil {
		return keys{}, fmt.Errorf("encode the signing key: %w", err)
	}
	report, err := envelope.GeneratePrivateKey(keyBits)
	if err != nil {
		return keys{}, fmt.Errorf("make the report key: %w", err)
	}
	reader, err := report.MarshalPEM(nil)
	if err != nil {
		return keys{}, fmt.Errorf("encode the report key: %w", err)
	}
	tenants, err := tenantsFile(signing.Public(), report.Public())
	if err != nil {
		return keys{}, err
	}
	for file, content := range map[string][]byte{
		k.request: sealed, k.requestPublic: request.Public().MarshalPEM(), k.passphrase: passphrase, k.signing: openssh,
		k.report: reader, k.tenants: tenants,
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return keys{}, fmt.Errorf("write keys: %w", err)
		}
	}
	return k, nil
}

// tenantsFile lets every queue send in clear but those of the sealed prefix. Reports on all are for one reader.
func tenantsFile(sealed envelope.VerifyKey, reader *envelope.PublicKey) ([]byte, error) {
	type tenant struct {
		Prefix      string   `json:"prefix"`
		Store       string   `json:"store"`
		Metadata    string   `json:"metadata"`
		SigningKeys []string `json:"signing_keys,omitempty"`
		ReportKey   string   `json:"report_key"`
	}
	key := string(reader.MarshalPEM())
	file := map[string][]tenant{"tenants": {
		{Prefix: clearPrefix, Store: store, Metadata: metadata, ReportKey: key},
		{Prefix: sealedPrefix, Store: store, Metadata: metadata, SigningKeys: []string{sealed.AuthorizedLine("local")}, ReportKey: key},
	}}
	data, err := json.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("encode tenants: %w", err)
	}
	return data, nil
}

// random is 160 bits in hexadecimal.
func random() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails; see its documentation
	return hex.EncodeToString(b)
}
