package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	names "github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reportsFlags are those of reports.
type reportsFlags struct {
	queue, experiment, phrase, amqpFile  string
	keys                                 []string
	follow, create, peek, discardUnknown bool
}

func newReports(a *app) *cobra.Command {
	var f reportsFlags
	cmd := &cobra.Command{
		Use:   "reports --queue QUEUE --key PRIVATE.pem [flags]",
		Short: "Read what the cluster reports of your experiments", GroupID: groupExperiments, SuggestFor: []string{"responses", "response"},
		Args: usageArgs(cobra.NoArgs),
		Long: `Reports reads the response queue of QUEUE, opens what is in it with your report
key, and prints it: states, lines of output, and why something failed, from the
moment an executor has it. A cluster reports only to a response queue that is
there, and you make it, once, with --create.

What was printed leaves the queue, so that it is read once. --peek leaves all of
it there. With --experiment, reports of other experiments stay, and so does what
the keys do not open, unless --discard-unreadable takes that out. What stays is
not seen by other readers as long as this one runs. A report that comes twice is
printed once.

RabbitMQ's URL comes from --amqp-url-file, AMQP_URL, or the context. Without
--key it is the local cloud's key. Exit code 1: something could not be opened.`,
		Example: `  studioctl reports --queue rmq_test --key studioml_report.pem --create
  studioctl reports --queue rmq_test --key studioml_report.pem -f
  studioctl reports --queue rmq_test --key studioml_report.pem --peek --json |
      jq 'select(.report.progress.state == "Failed")'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.reports(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.queue, "queue", "", "queue of the requests (default: the context's, or rmq_test)")
	flags.StringArrayVar(&f.keys, "key", nil, "file of your private report key; several for the time of a rotation")
	flags.StringVar(&f.phrase, "passphrase-file", "", "file of its passphrase (default: the one beside the key, or a prompt)")
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on until Ctrl-C")
	flags.StringVarP(&f.experiment, "experiment", "e", "", "only of experiments whose key begins so")
	flags.BoolVar(&f.create, "create", false, "make the response queue if it is not there")
	flags.BoolVar(&f.peek, "peek", false, "leave everything in the queue")
	flags.BoolVar(&f.discardUnknown, "discard-unreadable", false, "take out of the queue what the keys do not open")
	flags.StringVar(&f.amqpFile, "amqp-url-file", "", "file that holds the URL of RabbitMQ")
	return cmd
}

func (a *app) reports(cmd *cobra.Command, f reportsFlags) error {
	if f.peek && f.discardUnknown {
		return &exitError{code: exitUsage, err: errors.New("--peek leaves everything in the queue: leave out --discard-unreadable")}
	}
	to, err := a.broker(f.amqpFile)
	if err != nil {
		return err
	}
	f.queue = cmp.Or(strings.TrimSuffix(f.queue, report.ResponseQueue("")), to.Queue, "rmq_test")
	if err := names.Default().Check(f.queue); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if len(f.keys) == 0 && to.ReportKey != "" {
		f.keys = []string{to.ReportKey}
	}
	p := reportPrinter{a: a, on: a.screenOf(a.out), flags: f}
	if err := p.readKeys(cmd); err != nil {
		return err
	}
	responses := report.ResponseQueue(f.queue)
	if f.create {
		if err := client.CreateResponseQueue(to.AMQPURL, f.queue, responses); err != nil {
			return err
		}
	}
	reading := client.Responses{AMQPURL: to.AMQPURL, Queue: responses, Follow: f.follow, Take: p.take}
	if f.follow {
		reading.Ready = func() { a.tell("Reading %s; Ctrl-C ends it.", responses) }
	}
	return p.end(f, reading.Read(cmd.Context()))
}

// end says what was left, and what to do about it.
func (p *reportPrinter) end(f reportsFlags, err error) error {
	if errors.Is(err, client.ErrNoQueue) {
		return fmt.Errorf("%w: nothing is reported until you make it, with the same command and --create", err)
	}
	if err != nil {
		return err
	}
	if p.shown == 0 && !f.follow && p.unread == 0 && !p.a.json {
		p.a.tell("There are no reports in %s.", report.ResponseQueue(f.queue))
	}
	if p.unread == 0 {
		return nil
	}
	stay := "they stay in the queue; read them with their own --key, or take them out with --discard-unreadable"
	if f.discardUnknown {
		stay = "they were taken out of the queue"
	}
	return fmt.Errorf("open %s of %s: none is for %s, and %s (the first: %w)", counted(p.unread, "report"), report.ResponseQueue(f.queue), strings.Join(p.prints, " or "), stay, p.why)
}

// broker is where reports are read: all that is needed of a deployment.
func (a *app) broker(file string) (target, error) {
	if file != "" {
		return a.dialable(target{amqp: value{file, "amqp_url_file"}})
	}
	r, err := a.resolve()
	if err != nil {
		return target{}, err
	}
	if _, explicit := a.contextNamed(); r.context == localContext && (explicit || a.lookup("AMQP_URL") == "") {
		state, err := a.readState()
		return state.target, err
	}
	return a.dialable(target{Context: r.context, Queue: r.values["queue"].text, ReportKey: r.values["report_key"].text, amqp: r.broker()})
}

// readKeys reads the keys to open with.
func (p *reportPrinter) readKeys(cmd *cobra.Command) error {
	if len(p.flags.keys) == 0 {
		return &exitError{code: exitUsage, err: errors.New("reports are sealed for your report key: name its private file with --key, or make one with `studioctl keys report`")}
	}
	for _, file := range p.flags.keys {
		key, err := p.a.readKey(cmd, file, p.flags.phrase)
		if err != nil {
			return err
		}
		if key.Opens() == nil {
			return &exitError{code: exitUsage, err: fmt.Errorf("%s opens nothing: give the private RSA file, such as %s.pem", file, reportName)}
		}
		p.a.warnOfMode(file)
		p.keys = append(p.keys, key.Opens())
		p.prints = append(p.prints, key.Fingerprint)
	}
	return nil
}
