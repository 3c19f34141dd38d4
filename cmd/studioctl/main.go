// Command studioctl is the command for people: it starts a cloud on this machine, submits experiments, and shows what
// becomes of them, here or in a real project.
//
// Exit codes: 0 done; 1 it did not work, and the message says why; 2 the command line is wrong; 3 the experiment that was
// waited for did not complete, or the one that was explained would be refused; 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)       // a second signal ends the process at once
	cobra.EnableCommandSorting = false // the help lists them in the order in which they are needed
	os.Exit(run(ctx, os.Args[1:], envconfig.OsLookuper(), os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(ctx context.Context, args []string, env envconfig.Lookuper, out, errOut io.Writer) int {
	a := &app{env: env, out: out, errOut: errOut}
	root := newRoot(a) //nolint:contextcheck // cobra hands the context to each command
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(errOut, "studioctl: interrupted")
		return 130
	case errors.As(err, &exit):
		if exit.err != nil {
			a.complain(exit.err.Error())
		}
		return exit.code
	default:
		a.complain(advise(err))
		return 1
	}
}

// exitError is an error with an exit code of its own. Without an error, what there is to say is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

const (
	exitUsage      = 2
	exitIncomplete = 3
)
