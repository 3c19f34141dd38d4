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

// The groups of commands in the help.
const (
	groupExperiments = "experiments"
	groupClouds      = "clouds"
	groupOther       = "other"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "studioctl",
		Short: "Run StudioML experiments on Google Cloud, or on a cloud on this machine",
		Long: `studioctl submits StudioML experiments and shows what becomes of them.

It works against the local cloud that "studioctl local" keeps running, or
against the project that a context names: see "studioctl context --help".

Exit codes: 0 done; 1 it did not work, and the message says what to do; 2 the
command line is wrong; 3 the experiment that was waited for did not complete,
or the one that was explained would be refused; 130 interrupted.`,
		Example: `  studioctl local                    keep a cloud running on this machine
  studioctl submit train.py -f -- --epochs 10
  studioctl ps
  studioctl logs -f KEY`,
		SilenceUsage: true, SilenceErrors: true,
	}
	family(root)
	root.SetUsageTemplate(wrappedFlags(root.UsageTemplate()))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitError{code: exitUsage, err: fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, for programs")
	a.target.register(root)
	_ = root.RegisterFlagCompletionFunc("context", a.completeContexts) // fails only for a flag that is not there
	root.AddGroup(&cobra.Group{ID: groupExperiments, Title: "Experiments:"}, &cobra.Group{ID: groupClouds, Title: "Clouds:"}, &cobra.Group{ID: groupOther, Title: "Other:"})
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.AddCommand(newSubmit(a), newExplain(a), newPs(a), newShow(a), newLogs(a), newGet(a), newStop(a), newWatch(a), newReports(a), newLocal(a), newDemo(a), newDoctor(a), newContext(a), newKeys(a))
	return root
}

// wrappedFlags makes cobra's template of the usage keep to 80 columns.
func wrappedFlags(template string) string {
	return strings.ReplaceAll(template, "Flags.FlagUsages |", "Flags.FlagUsagesWrapped 80 |")
}

// say tells a person something, in lines that their terminal does not break.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.out, wrap(fmt.Sprintf(format, args...), a.screenOf(a.out).width))
}

// tell says something that is not the command's result.
func (a *app) tell(format string, args ...any) {
	fmt.Fprintln(a.errOut, wrap(fmt.Sprintf(format, args...), a.screenOf(a.errOut).width))
}

// complain tells why something did not work.
func (a *app) complain(why string) { a.tell("studioctl: %s", why) }

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
			return &exitError{code: exitUsage, err: fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
		}
		return nil
	}
}

// withoutJSON refuses --json for a command whose output is for people or is the program's own.
func (a *app) withoutJSON(check cobra.PositionalArgs, instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if a.json {
			return fmt.Errorf("%s prints no JSON: %s", cmd.CommandPath(), instead)
		}
		return check(cmd, args)
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
