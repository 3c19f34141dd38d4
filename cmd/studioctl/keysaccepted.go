package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/keyfile"
	"github.com/leaf-ai/studio-cloud-runner/internal/mounted"
)

// acceptedFlags name what a cluster reads its keys from, as its settings do.
type acceptedFlags struct {
	tenants, signing, reports, secrets string
	requests, passphrases              []string
}

func newKeysAccepted(a *app) *cobra.Command {
	var f acceptedFlags
	cmd := &cobra.Command{
		Use: "accepted", Aliases: []string{"list", "ls"}, Short: "Show which keys a cluster accepts, and what is wrong with others", Args: usageArgs(cobra.NoArgs),
		Long: `Accepted shows the fingerprints of the keys that a cluster works with: those
that open requests, those that sign for each prefix of queues, and those that
reports are sealed for. It reads what the bridge and the executors read, in the
same way: files and folders, or secrets as "kubectl get secret -o json" prints
them; without a flag, those of the local cloud or of the context. Exit code 1: a
key is at fault, and the message names its file.`,
		Example: `  studioctl keys accepted
  studioctl keys accepted --tenants tenants.json --signing-keys signing/
  kubectl get secret -o json | studioctl keys accepted --secrets -`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.accepted(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.tenants, "tenants", "", "file or folder of the tenants (TENANTS)")
	flags.StringVar(&f.signing, "signing-keys", "", "folder of the signing keys (SIGNING_KEYS)")
	flags.StringVar(&f.reports, "report-keys", "", "folder of the report keys (REPORT_KEYS)")
	flags.StringSliceVar(&f.requests, "request-keys", nil, "files and folders of the request keys (REQUEST_KEYS)")
	flags.StringSliceVar(&f.passphrases, "passphrase-file", nil, "files and folders of their passphrases (REQUEST_PASSPHRASE_FILE)")
	flags.StringVar(&f.secrets, "secrets", "", "file of Kubernetes secrets as JSON, - for standard input")
	return cmd
}

// acceptedKey is a key that a cluster works with.
type acceptedKey struct {
	For    string `json:"for"`              // request, signing or report
	Prefix string `json:"prefix,omitempty"` // of the queues
	keyfile.Key
	From string `json:"from"`
}

func (a *app) accepted(cmd *cobra.Command, f acceptedFlags) error {
	places, err := a.keyPlaces(cmd, f)
	if err != nil {
		return err
	}
	keys, faults := places.keys()
	if err := a.printAccepted(keys); err != nil {
		return err
	}
	if len(keys) == 0 && faults == nil {
		return errors.New("there are no keys: name what the cluster reads with --tenants, --signing-keys, --report-keys and --request-keys, or --secrets")
	}
	if faults != nil {
		return fmt.Errorf("these are not accepted, mend or remove them:\n%w", faults)
	}
	return nil
}

func (a *app) printAccepted(keys []acceptedKey) error {
	t := a.table("FOR", "QUEUES", "BITS", "FINGERPRINT", "FROM")
	t.spare = []string{"BITS", "FROM"}
	for _, k := range keys {
		if a.json {
			if err := a.printJSON(k); err != nil {
				return err
			}
			continue
		}
		queues := "all"
		if k.Prefix != "" {
			queues = k.Prefix + "…"
		}
		t.row(plain(k.For), plain(queues), plain(strconv.Itoa(k.Bits)), cell{k.Fingerprint, bold}, plain(k.From))
	}
	return t.print()
}

// keyPlaces reads what the flags name, or else what the local cloud or the context does.
func (a *app) keyPlaces(cmd *cobra.Command, f acceptedFlags) (keyPlaces, error) {
	if f.secrets != "" {
		return readSecrets(cmd.InOrStdin(), f.secrets)
	}
	if f.tenants+f.signing+f.reports == "" && len(f.requests) == 0 {
		to, err := a.knownKeys()
		if err != nil {
			return keyPlaces{}, err
		}
		f.tenants, f.signing, f.reports = to.Tenants, to.SigningKeys, to.ReportKeys
		if to.RequestKeys != "" {
			f.requests, f.passphrases = []string{to.RequestKeys}, []string{to.Passphrase}
		}
	}
	return f.read()
}

// knownKeys is what is known of the cluster without asking it: its buckets do not matter here.
func (a *app) knownKeys() (target, error) {
	r, err := a.resolve()
	if err != nil {
		return target{}, err
	}
	if r.context == localContext {
		state, err := a.readState()
		return state.target, err
	}
	return target{Tenants: r.values["tenants"].text}, nil
}

// read reads all the places at one moment, as the programs do.
func (f acceptedFlags) read() (k keyPlaces, err error) {
	var paths []string
	for _, path := range []string{f.tenants, f.signing, f.reports} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	paths = append(append(paths, f.requests...), f.passphrases...)
	if len(paths) == 0 {
		return k, nil
	}
	source, err := mounted.Open(paths, func(all []mounted.Place, _ *[]mounted.Place) (*[]mounted.Place, error) { return &all, nil })
	if err != nil {
		return k, err
	}
	places := *source.Get()
	for _, to := range []struct {
		path  string
		place **mounted.Place
	}{{f.tenants, &k.tenants}, {f.signing, &k.signing}, {f.reports, &k.reports}} {
		if to.path != "" {
			*to.place, places = &places[0], places[1:]
		}
	}
	k.requests, k.passphrases = places[:len(f.requests)], places[len(f.requests):]
	return k, nil
}
