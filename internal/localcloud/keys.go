package localcloud

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// keyBits is enough for a key that lives as long as this process and opens what is on loopback; 4096 would take seconds to make.
const keyBits = 2048

// keys are the files of a sealed request's keys, of the passphrase, of the key that reports are opened with, and of the tenants.
type keys struct {
	request, passphrase, requestPublic string
	signing, otherSigning, report      string
	tenants                            string
	signingKeys, reportKeys            string // folders, as Kubernetes mounts secrets
}

// makeKeys generates everything anew and writes it so that only this user can read it.
func makeKeys(dir string) (keys, error) {
	k := keys{
		request: filepath.Join(dir, "request.pem"), requestPublic: filepath.Join(dir, "request.pub.pem"),
		passphrase: filepath.Join(dir, "passphrase"), signing: filepath.Join(dir, "signing"),
		report: filepath.Join(dir, "report.pem"), tenants: filepath.Join(dir, "tenants.json"),
		otherSigning: filepath.Join(dir, "signing.other"), signingKeys: filepath.Join(dir, "studioml-signing"), reportKeys: filepath.Join(dir, "studioml-report-keys"),
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
	signing, openssh, err := signingKey()
	if err != nil {
		return keys{}, err
	}
	other, otherOpenssh, err := signingKey()
	if err != nil {
		return keys{}, err
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
		k.report: reader, k.tenants: tenants, k.otherSigning: otherOpenssh,
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return keys{}, fmt.Errorf("write keys: %w", err)
		}
	}
	err = errors.Join(mount(k.signingKeys, map[string][]byte{otherPrefix: []byte(other.Public().AuthorizedLine("other") + "\n")}),
		mount(k.reportKeys, map[string][]byte{otherPrefix: report.Public().MarshalPEM()}))
	return k, err
}

func signingKey() (key envelope.SigningKey, file []byte, err error) {
	if key, err = envelope.GenerateSigningKey(); err != nil {
		return key, nil, fmt.Errorf("make a signing key: %w", err)
	}
	if file, err = key.MarshalPEM(nil); err != nil {
		return key, nil, fmt.Errorf("encode a signing key: %w", err)
	}
	return key, file, nil
}

// mount makes a folder as Kubernetes mounts a secret: names that are links through ..data to the folder of a version.
func mount(dir string, files map[string][]byte) error {
	const version = "..2026_01_01_00_00_00.1"
	if err := os.MkdirAll(filepath.Join(dir, version), 0o700); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	files["info"] = []byte("The other entries are keys.\n")
	err := link(version, filepath.Join(dir, "..data"))
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, version, name), content, 0o600), link(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// link makes a link, in the place of one of an earlier run.
func link(target, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, name)
}

// tenantsFile lets every queue send in clear but those of the sealed prefix, and of the other tenant, whose keys are elsewhere. Reports
// on all are for one reader.
func tenantsFile(sealed envelope.VerifyKey, reader *envelope.PublicKey) ([]byte, error) {
	type tenant struct {
		Prefix      string   `json:"prefix"`
		Store       string   `json:"store"`
		Metadata    string   `json:"metadata"`
		SigningKeys []string `json:"signing_keys,omitempty"`
		ReportKey   string   `json:"report_key,omitempty"`
	}
	key := string(reader.MarshalPEM())
	file := map[string][]tenant{"tenants": {
		{Prefix: clearPrefix, Store: store, Metadata: metadata, ReportKey: key},
		{Prefix: sealedPrefix, Store: store, Metadata: metadata, SigningKeys: []string{sealed.AuthorizedLine("local")}, ReportKey: key},
		{Prefix: otherPrefix, Store: otherStore, Metadata: otherMetadata},
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
