package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/admission"
	"github.com/leaf-ai/studio-cloud-runner/internal/artifact"
	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/explain"
	"github.com/leaf-ai/studio-cloud-runner/internal/keyring"
	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/internal/tenant"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// explainFlags are those of submit, and what is known of the cluster.
type explainFlags struct {
	submitFlags
	pools, tenants, privateKey, passphrase string
	clearText, clearTextSaid, offline      bool
}

func newExplain(a *app) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain FILE.py|MESSAGE [flags] [-- ARG...]",
		Short: "Tell before a submission what would become of it", GroupID: groupExperiments, SuggestFor: []string{"check", "why", "validate", "plan"},
		Long: `Explain tells what would become of a submission, without storing or sending
anything: whose queue it is, whether the signature counts, which pool would take
it and what the smaller ones lack, the environment and the limits, and what
would refuse it, with the very words. Exit code 0: it would run; 3: it would
be refused.

FILE.py takes the flags of submit. Any other file is a MESSAGE as it goes to
RabbitMQ, in clear or sealed, such as a dead letter's data; - reads it from
standard input. A sealed one can be looked into with --private-key only, which
those who run the cluster have; the local cloud's is at hand.

The cluster's pools and tenants come from the context, or from --pools and
--tenants: ask those who run the cluster for these files, which hold no secret.`,
		Example: `  studioctl explain train.py --queue rmq_test --gpus 2 --gpu-mem 16gb
  studioctl explain message.json --queue rmq_test --json | jq .refusal
  studioctl explain - --queue rmq_lab_1 --offline \
      --pools pools.json --tenants tenants.json < message.json`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.clearTextSaid = cmd.Flags().Changed("clear-text")
			return a.explain(cmd, f, args[0], args[1:])
		},
	}
	f.register(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&f.pools, "pools", "", "file of the cluster's pools (POOLS)")
	flags.StringVar(&f.tenants, "tenants", "", "file of the cluster's tenants (TENANTS)")
	flags.BoolVar(&f.clearText, "clear-text", false, "the cluster takes requests in clear (CLEAR_TEXT_MESSAGES)")
	flags.StringVar(&f.privateKey, "private-key", "", "the cluster's private keys, to look into a sealed MESSAGE: files or folders, separated by commas (REQUEST_KEYS)")
	flags.StringVar(&f.passphrase, "passphrase-file", "", "their passphrases likewise (REQUEST_PASSPHRASE_FILE)")
	flags.BoolVar(&f.offline, "offline", false, "do not look whether a MESSAGE's experiment has run already")
	return cmd
}

func (a *app) explain(cmd *cobra.Command, f explainFlags, file string, args []string) (err error) {
	ctx := cmd.Context()
	to, err := a.explained(f)
	if err != nil {
		return err
	}
	cluster, err := clusterOf(to)
	if err != nil {
		return err
	}
	defer cluster.Stores.Close()
	var m explain.Message
	var workspace *client.Preview
	if strings.HasSuffix(file, ".py") {
		workspace, m, err = a.previewed(ctx, f.submitFlags, to, cluster, file, args)
	} else {
		m, err = readMessage(cmd.InOrStdin(), file, cmp.Or(f.queue, to.Queue, "rmq_test"))
		if err == nil && !f.offline && to.Metadata != "" {
			c, err := client.New(ctx, to.Deployment)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }() // only read
			cluster.Records = c.Records()
		}
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	looking := a.progress("looking at the record")
	report := cluster.Explain(ctx, m)
	looking.end()
	if f := report.Refusal; f != nil && f.Reason == string(admission.ClearRefused) && to.clearTextUnsaid {
		report.Unknown = append(report.Unknown, "whether the cluster takes requests in clear: nothing says so here (--clear-text, or clear_text of the context), and by default it does not")
	}
	return a.printReport(report, workspace)
}

// lookTimeout bounds the look at a record: all else is known here.
const lookTimeout = 10 * time.Second

// explained is the deployment with what flags say of it. Where they say enough, there need be none.
func (a *app) explained(f explainFlags) (target, error) {
	to, err := a.deployment()
	pools, tenants := cmp.Or(f.pools, a.lookup("POOLS")), cmp.Or(f.tenants, a.lookup("TENANTS"))
	if err != nil && pools != "" && tenants != "" {
		clear := a.lookup("CLEAR_TEXT_MESSAGES")
		to, err = target{
			S3Hosts: []string{"storage.googleapis.com"}, ClearText: strings.EqualFold(clear, "true"), clearTextUnsaid: clear == "",
			Deployment: client.Deployment{S3Endpoint: "https://storage.googleapis.com"},
		}, nil
	}
	if err != nil {
		return to, err
	}
	to.Pools, to.Tenants = cmp.Or(pools, to.Pools), cmp.Or(tenants, to.Tenants)
	if f.clearTextSaid {
		to.ClearText, to.clearTextUnsaid = f.clearText, false
	}
	if f.privateKey != "" {
		to.RequestKeys, to.Passphrase = f.privateKey, f.passphrase
	}
	if to.Pools == "" || to.Tenants == "" {
		return to, fmt.Errorf("the context %q does not know the cluster's pools and tenants: ask those who run it for the two files, and give them with --pools and --tenants, or once with `studioctl context set`", to.Context)
	}
	return to, nil
}

func clusterOf(to target) (explain.Cluster, error) {
	pools, err := pool.Load(to.Pools)
	if err != nil {
		return explain.Cluster{}, fmt.Errorf("%w; correct what --pools or the context names", err)
	}
	tenants, err := tenant.Open(to.Tenants, tenant.SigningKeys(to.SigningKeys), tenant.ReportKeys(to.ReportKeys))
	if err != nil {
		return explain.Cluster{}, fmt.Errorf("%w; correct what --tenants or the context names", err)
	}
	keys, err := privateKeys(to)
	if err != nil {
		return explain.Cluster{}, err
	}
	return explain.Cluster{
		Policy: admission.Policy{Tenants: tenants.Tenants, ClearText: to.ClearText, Pools: pools},
		Queues: queue.Default(), Stores: artifact.NewStores(nil, to.S3Hosts, artifact.URLs{}), Keys: keys, Now: time.Now,
	}, nil
}

// privateKeys are those of REQUEST_KEYS, read as executors read them.
func privateKeys(to target) ([]*envelope.PrivateKey, error) {
	if to.RequestKeys == "" {
		return nil, nil
	}
	var passphrases []string
	if to.Passphrase != "" {
		passphrases = strings.Split(to.Passphrase, ",")
	}
	ring, err := keyring.Open(strings.Split(to.RequestKeys, ","), passphrases)
	if err != nil {
		return nil, fmt.Errorf("%w; correct --private-key or --passphrase-file", err)
	}
	return ring.Keys(), nil
}

// previewed is the message that submit would send. Where no deployment names buckets, they are the queue's.
func (a *app) previewed(ctx context.Context, f submitFlags, to target, c explain.Cluster, script string, args []string) (*client.Preview, explain.Message, error) {
	s, err := f.described(to, script, args)
	if err != nil {
		return nil, explain.Message{}, err
	}
	if owner, ok := c.Policy.Tenants().Lookup(s.Queue); ok {
		to.Store, to.Metadata = cmp.Or(to.Store, owner.Store), cmp.Or(to.Metadata, owner.Metadata)
	}
	packing := a.progress("packing the workspace")
	p, err := to.Preview(ctx, s, packing.bytes)
	packing.end()
	return &p, explain.Message{Queue: s.Queue, Body: p.Body, Inner: p.Inner, Uploaded: true}, err
}

func readMessage(in io.Reader, file, queue string) (explain.Message, error) {
	m := explain.Message{Queue: queue}
	var err error
	if file == "-" {
		m.Body, err = io.ReadAll(in)
	} else {
		m.Body, err = os.ReadFile(filepath.Clean(file))
	}
	if err != nil {
		return m, &exitError{code: exitUsage, err: fmt.Errorf("read the message: %w", err)}
	}
	if len(bytes.TrimSpace(m.Body)) == 0 {
		return m, &exitError{code: exitUsage, err: errors.New("the message is empty: give the JSON that goes to RabbitMQ, or a script that ends in .py")}
	}
	return m, nil
}
