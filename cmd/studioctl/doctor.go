package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/doctor"
)

type doctorFlags struct {
	deployment, secrets, region, name, management string
	skip                                          []string
	within                                        time.Duration
}

func newDoctor(a *app) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check a deployment, and say what to do where it is ill", Args: usageArgs(cobra.NoArgs), GroupID: groupClouds,
		SuggestFor: []string{"check", "health", "diagnose"},
		Long: `Doctor checks RabbitMQ, keys, functions, Pub/Sub, executors, buckets and
quota, all at once, and prints a line for each: pass, warn, fail, or "not here"
for what cannot be seen from here; below it, what to do. It makes a queue, and
an object in each bucket, that nothing acts on, and removes them. Exit code 1:
a check failed.

With --deployment it checks what Terraform made. Your own keys and RabbitMQ's
address are then those of the context, if that is one of the same deployment.
With --secrets the keys of the cluster are known, too; nothing of them is shown
but fingerprints.`,
		Example: `  studioctl doctor
  studioctl doctor --context vision --region us-central1
  studioctl doctor --deployment deployment.json --skip "bucket *"
  kubectl -n studio get secret -o json | studioctl doctor --secrets -`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), cmd.InOrStdin(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.deployment, "deployment", "", "file of Terraform's output deployment, as it lies in the configuration bucket")
	flags.StringVar(&f.secrets, "secrets", "", "file of the cluster's Kubernetes secrets as JSON, - for standard input")
	flags.StringVar(&f.region, "region", "", "region of the functions and of the GPUs")
	flags.StringVar(&f.name, "name", "", `beginning of the names of functions and jobs (default "studio")`)
	flags.StringVar(&f.management, "management-url", "", "RabbitMQ's management API (RABBITMQ_MANAGEMENT_URL; default AMQP's host, port + 10000)")
	flags.StringSliceVar(&f.skip, "skip", nil, "checks to leave out; * ends the beginning of several names")
	flags.DurationVar(&f.within, "within", 20*time.Second, "how long a check may take")
	return cmd
}

func (a *app) doctor(ctx context.Context, in io.Reader, f doctorFlags) error {
	d, err := a.patient(in, f)
	if err != nil {
		return err
	}
	checks := d.Checks()
	for i, c := range checks {
		if slices.ContainsFunc(f.skip, func(name string) bool { return matches(name, c.Name) }) {
			checks[i].Examine = func(context.Context) doctor.Finding {
				return doctor.Finding{Status: doctor.NotHere, Says: "left out by --skip"}
			}
		}
	}
	failed, err := doctor.Run(ctx, checks, f.within, a.showLine)
	if err != nil {
		return err
	}
	if failed > 0 {
		return &exitError{code: 1, err: fmt.Errorf("%d of %d checks failed", failed, len(checks))}
	}
	return nil
}

func matches(pattern, name string) bool {
	beginning, several := strings.CutSuffix(pattern, "*")
	return pattern == name || several && strings.HasPrefix(name, beginning)
}

func (a *app) showLine(l doctor.Line) error {
	if a.json {
		return a.printJSON(l)
	}
	styles := map[doctor.Status]style{doctor.Pass: green, doctor.Warn: yellow, doctor.Fail: red, doctor.NotHere: dim}
	on := a.screenOf(a.out)
	fmt.Fprintf(a.out, "%s  %s: %s\n", on.paint(styles[l.Status], fmt.Sprintf("%-8s", l.Status)), l.Check, strings.ReplaceAll(l.Says, "\n", "; "))
	if l.Next != "" {
		fmt.Fprintf(a.out, "          next: %s\n", l.Next)
	}
	return nil
}
