package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
)

func newContext(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "context", Aliases: []string{"contexts", "ctx"}, SuggestFor: []string{"config", "project", "login"}, GroupID: groupClouds,
		Short: "Name deployments, and choose the one to work with",
		Long: `A context names a deployment: its project, buckets, RabbitMQ and keys. The
context "local" is built in: the cloud that "studioctl local" keeps running.

What counts, the first that says something: flags; the environment; the
context named with --context or STUDIOCTL_CONTEXT; the one chosen with
"context use"; the local cloud.

Contexts are kept in $XDG_CONFIG_HOME/studioctl/config.yaml (without
XDG_CONFIG_HOME: ~/.config), which only you can read.`,
		Example: `  studioctl context set vision --project vision-prod --store vision-store \
      --metadata vision-metadata --amqp-url-file ~/.config/vision.amqp
  studioctl context use vision
  studioctl context list
  studioctl --context local ps`,
	}
	family(cmd)
	cmd.AddCommand(newContextList(a), newContextShow(a), newContextUse(a), newContextSet(a), newContextDelete(a))
	return cmd
}

func newContextList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the contexts; * marks the one in use", Args: usageArgs(cobra.NoArgs),
		Example: "  studioctl context list\n  studioctl context list --json | jq -r .name",
		RunE:    func(*cobra.Command, []string) error { return a.listContexts() },
	}
}

func (a *app) listContexts() error {
	c, err := a.readConfig()
	if err != nil {
		return err
	}
	inUse, _ := a.contextName(c)
	t := a.table("", "NAME", "PROJECT", "STORE", "METADATA")
	for _, name := range c.names() {
		settings := c.Contexts[name]
		if name == localContext {
			settings = a.localSettings()
		}
		if a.json {
			row := map[string]any{"name": name, "in_use": name == inUse, "project": settings["project"], "store": settings["store"], "metadata": settings["metadata"]}
			if err := a.printJSON(row); err != nil {
				return err
			}
			continue
		}
		mark := ""
		if name == inUse {
			mark = "*"
		}
		t.row(plain(mark), plain(name), plain(orDash(settings["project"])), plain(orDash(settings["store"])), plain(orDash(settings["metadata"])))
	}
	return t.print()
}

// localSettings are those of the local cloud, or that there is none.
func (a *app) localSettings() map[string]string {
	state, err := a.readState()
	if err != nil {
		return map[string]string{"project": "(not running)"}
	}
	return map[string]string{"project": state.Project, "store": state.Store, "metadata": state.Metadata}
}

func newContextShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Aliases: []string{"view", "current"}, Short: "Show what counts in a context, and where it comes from",
		Long: `Show prints each setting of a context (of the one in use, without NAME) as the
other commands would use it, and whether a flag, the environment or the
context says so. Passwords are not printed.`,
		Example: "  studioctl context show\n  studioctl context show vision --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)), ValidArgsFunction: a.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.target.context = args[0]
			}
			return a.showContext()
		},
	}
}

func (a *app) showContext() error {
	r, err := a.resolve()
	if err != nil {
		return err
	}
	if r.context == localContext {
		state, err := a.readState()
		if err != nil {
			return err
		}
		r.values = map[string]value{}
		for name, text := range map[string]string{
			"project": state.Project, "store": state.Store, "metadata": state.Metadata, "amqp_url": state.AMQPURL, "request_key": state.RequestKey,
			"signing_key": state.SigningKey, "report_key": state.ReportKey, "s3_endpoint": state.S3Endpoint, "events_topic": state.EventsTopic, "tenants": state.Tenants,
		} {
			r.values[name] = value{text, "the local cloud"}
		}
	}
	name := cmp.Or(r.context, "(flags and environment)")
	shown := map[string]any{"name": name}
	t := a.table("SETTING", "VALUE", "FROM")
	t.row(plain("context"), plain(name), plain(""))
	for _, s := range knownSettings() {
		v := r.values[s.name]
		if v.text == "" {
			continue
		}
		if s.name == "amqp_url" {
			v.text = withoutPassword(v.text)
		}
		shown[s.name] = map[string]string{"value": v.text, "from": v.from}
		t.row(plain(s.name), plain(v.text), plain(v.from))
	}
	if a.json {
		return a.printJSON(shown)
	}
	return t.print()
}

func newContextUse(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Aliases: []string{"switch"}, Short: "Work with a context from now on",
		Example: "  studioctl context use vision\n  studioctl context use local",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: a.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := a.readConfig()
			if err != nil {
				return err
			}
			if _, err := c.find(args[0]); err != nil {
				return err
			}
			c.Current = args[0]
			if args[0] == localContext {
				c.Current = "" // whatever the environment says comes before it, as without any context
			}
			if first := a.lookup("STUDIOCTL_CONTEXT"); first != "" && first != args[0] {
				return a.saved(c, args[0], "Commands will work with the context %s once STUDIOCTL_CONTEXT is unset: it comes first, and names "+first+".")
			}
			return a.saved(c, args[0], "Commands work with the context %s now.")
		},
	}
}

func newContextSet(a *app) *cobra.Command {
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use: "set NAME", Aliases: []string{"create", "add"}, Short: "Make a context, or change one",
		Long: `Set makes the context NAME, or changes what the flags name of it; a flag with
an empty value removes the setting. Paths are kept absolute.

RabbitMQ's URL holds a password. Keep it in a file of its own or in a variable
and name that, or give "--amqp-url -" and the URL on standard input: what is
written on a command line can be seen by others, and stays in the history.`,
		Example: `  studioctl context set vision --project vision-prod --store vision-store \
      --metadata vision-metadata --amqp-url -  < amqp.txt
  studioctl context set vision --request-key cluster.pem \
      --signing-key ~/.ssh/id_ed25519
  studioctl context set vision --pools pools.json --tenants tenants.json`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: a.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error { return a.setContext(cmd, args[0], values) },
	}
	inherited := []string{"project", "store", "metadata"}
	for _, s := range knownSettings() {
		if !slices.Contains(inherited, s.name) {
			values[s.name] = cmd.Flags().String(s.flag(), "", s.usage)
		}
	}
	values["project"], values["store"], values["metadata"] = &a.target.project, &a.target.store, &a.target.metadata
	return cmd
}

func (a *app) setContext(cmd *cobra.Command, name string, values map[string]*string) error {
	if err := validContext(name); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	c, err := a.readConfig()
	if err != nil {
		return err
	}
	settings, existed := c.Contexts[name]
	if !existed {
		settings = map[string]string{}
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return fmt.Errorf("find the current folder: %w", err)
	}
	changed := 0
	for _, s := range knownSettings() {
		if !cmd.Flags().Changed(s.flag()) {
			continue
		}
		changed++
		text := *values[s.name]
		if s.name == "amqp_url" && text == "-" {
			if text, err = readLine(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		if settings[s.name] = s.absolute(text, here, a.home()); text == "" {
			delete(settings, s.name)
		}
	}
	if changed == 0 {
		return &exitError{code: exitUsage, err: errors.New("nothing to set: give at least one flag; see `studioctl context set --help`")}
	}
	if err := checkSettings(settings); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	c.Contexts[name] = settings
	what := "Changed the context %s."
	if !existed {
		what = "Made the context %s. Work with it: studioctl context use " + name
	}
	return a.saved(c, name, what)
}

// checkSettings refuses what could only mislead later.
func checkSettings(settings map[string]string) error {
	given := 0
	for _, name := range []string{"amqp_url", "amqp_url_env", "amqp_url_file"} {
		if settings[name] != "" {
			given++
		}
	}
	text := settings["amqp_url"]
	switch {
	case given > 1:
		return errors.New("RabbitMQ's URL is given more than once: keep one of --amqp-url, --amqp-url-env and --amqp-url-file, and remove the others with an empty value")
	case text != "" && strings.HasPrefix(withoutPassword(text), "("):
		return errors.New("--amqp-url is not an AMQP URL: it looks like amqp://user:password@host:5672/%2f")
	case settings["clear_text"] != "" && !slices.Contains([]string{"true", "false"}, settings["clear_text"]):
		return fmt.Errorf("--clear-text is %q: give true or false", settings["clear_text"])
	case settings["queue"] != "":
		return queue.Default().Check(settings["queue"])
	}
	return nil
}

func newContextDelete(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm", "remove"}, Short: "Forget a context; nothing of the deployment changes",
		Example: "  studioctl context delete vision",
		Args:    usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: a.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == localContext {
				return &exitError{code: exitUsage, err: validContext(localContext)}
			}
			c, err := a.readConfig()
			if err != nil {
				return err
			}
			if _, err := c.find(args[0]); err != nil {
				return err
			}
			delete(c.Contexts, args[0])
			what := "Deleted the context %s."
			if c.Current == args[0] {
				c.Current, what = "", what+" Commands work with the local cloud now."
			}
			return a.saved(c, args[0], what)
		},
	}
}

// saved stores the contexts and says what was done.
func (a *app) saved(c *config, name, what string) error {
	if err := c.save(); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"name": name, "file": c.path})
	}
	a.say(what, name)
	return nil
}

// readLine reads a secret that is not to stand on the command line.
func readLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimSpace(line), nil
}
