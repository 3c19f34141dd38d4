package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

// app is what the commands share.
type app struct {
	env    envconfig.Lookuper
	out    io.Writer
	errOut io.Writer
	json   bool
	target targetFlags
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "studioctl",
		Short: "Run StudioML experiments on Google Cloud, or on a cloud on this machine",
		Long: `studioctl submits StudioML experiments and shows what becomes of them.

Without flags it works against the local cloud that "studioctl local" keeps running. With --project, --store and
--metadata (or GOOGLE_CLOUD_PROJECT, STUDIO_STORE and STUDIO_METADATA), and AMQP_URL where something is submitted, the same commands work
against a real project, with your Google credentials.`,
		Example: `  studioctl local                          keep a cloud running on this machine
  studioctl submit train.py --queue rmq_test -- --epochs 10
  studioctl ps
  studioctl logs -f KEY`,
		SilenceUsage: true, SilenceErrors: true,
	}
	family(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{code: exitUsage, err: err} })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, for programs")
	a.target.register(root)
	root.AddCommand(newLocal(a), newDemo(a), newSubmit(a), newPs(a), newLogs(a), newStop(a), newGet(a), newWatch(a), newContext(a))
	return root
}

// printJSON prints a value for programs, a line of its own.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &exitError{code: exitUsage, err: fmt.Errorf("%w; see `studioctl %s --help`", err, cmd.Name())}
		}
		return nil
	}
}

// family makes a command that only holds others: alone it shows its help, and what it does not hold is a usage error with
// the names that are like it.
func family(parent *cobra.Command) {
	parent.SuggestionsMinimumDistance = 2
	parent.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	parent.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		next := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
		if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
			next = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), strings.Join(like, "`, `"+cmd.CommandPath()+" "))
		}
		return &exitError{code: exitUsage, err: fmt.Errorf("there is no command %q: %s", cmd.CommandPath()+" "+args[0], next)}
	}
}
