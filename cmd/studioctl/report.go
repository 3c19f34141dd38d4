package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/explain"
)

// printReport says first what would happen, then why. What would be refused ends with exit code 3.
func (a *app) printReport(r explain.Report, workspace *client.Preview) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printExplanation(r, workspace)
	}
	if !r.Runs {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

func (a *app) printExplanation(r explain.Report, workspace *client.Preview) {
	on := a.screenOf(a.out)
	if f := r.Refusal; f != nil {
		who := map[string]string{"queue": "It would never be read", "bridge": "It would be refused by the bridge", "executor": "It would not be run by the executor"}[f.Stage]
		if word := cmp.Or(f.Reason, f.Outcome); word != "" {
			who += ": " + word
		}
		fmt.Fprintf(a.out, "%s\n%s\n%s\n\n", on.paint(red, who), wrap(f.Detail, on.width), wrap("It would become "+f.Becomes+".", on.width))
	} else {
		fmt.Fprintf(a.out, "%s\n\n", on.paint(green, "It would run in the pool "+r.Pool))
	}
	a.fact(on, "Queue", r.Queue)
	if t := r.Tenant; t != nil {
		a.fact(on, "Tenant", fmt.Sprintf("%s, with artifacts in %s and records in %s", t.Prefix, t.Store, t.Metadata))
	}
	a.fact(on, "Message", strings.TrimSpace(fmt.Sprintf("%s, %s bytes of at most %s", cmp.Or(r.Kind, "unread"), humanize.Comma(int64(r.Bytes)), humanize.Comma(int64(r.MostBytes)))))
	a.fact(on, "Signature", r.Signature)
	for i, p := range r.Pools {
		a.fact(on, strings.Repeat("Pool", max(0, 1-i)), poolLine(p))
	}
	if x := r.Experiment; x != nil {
		a.printExperiment(on, x)
	}
	if workspace != nil {
		a.fact(on, "Workspace", humanize.Bytes(uint64(max(workspace.WorkspaceBytes, 0)))+" as an archive")
		for _, left := range workspace.LeftOut {
			a.fact(on, "", "left out: "+left)
		}
	}
	for i, what := range r.Unknown {
		a.fact(on, strings.Repeat("Not known", max(0, 1-i)), what)
	}
}

func poolLine(p explain.Pool) string {
	switch {
	case !p.Holds:
		return fmt.Sprintf("%s cannot hold it: it asks for %s %s, and a pod has %s", p.Name, p.Field, p.Asked, p.Has)
	case p.Slots > 0:
		return fmt.Sprintf("%s holds it, in %s on %s", p.Name, counted(p.Slots, "GPU slot"), counted(p.Cards, "card"))
	default:
		return p.Name + " holds it"
	}
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (a *app) printExperiment(on screen, x *explain.Experiment) {
	a.fact(on, "Asks for", x.Asks)
	a.fact(on, "Runs", fmt.Sprintf("%s with %s, as %s", x.Script, counted(x.Arguments, "argument"), x.Key))
	a.fact(on, "Python", withRequirements(cmp.Or(x.Python, "3"), x.Requirements))
	a.fact(on, "Variables", strings.Join(x.Env, ", "))
	limits := "no max_duration"
	if x.MaxDuration != "" {
		limits = "max_duration " + x.MaxDuration
	}
	switch {
	case x.Lifetime == "":
		limits += ", no lifetime"
	case x.Until.IsZero():
		limits += ", lifetime " + x.Lifetime
	default:
		limits += fmt.Sprintf(", lifetime %s: until %s", x.Lifetime, x.Until.Local().Format(time.DateTime))
	}
	a.fact(on, "Limits", limits)
	a.fact(on, "", fmt.Sprintf("at most %s and %s files in one artifact", humanize.Bytes(uint64(max(x.MostUnpacked, 0))), humanize.Comma(int64(x.MostFiles))))
	var reads, saves []string
	for _, found := range x.Artifacts {
		switch {
		case found.Fault != "":
			a.fact(on, "Refused", found.Label+": "+found.Object)
		case found.Mutable:
			saves = append(saves, found.Label)
		default:
			reads = append(reads, found.Label)
		}
	}
	a.fact(on, "Reads", strings.Join(reads, ", "))
	a.fact(on, "Saves", fmt.Sprintf("%s; every %s while it runs, and at its end", strings.Join(saves, ", "), x.SaveEvery))
}

// fact prints a line under a heading; what is too long goes on below.
func (a *app) fact(on screen, name, text string) {
	if text == "" {
		return
	}
	const indent = 11
	fmt.Fprintf(a.out, "%s %s\n", on.paint(dim, fmt.Sprintf("%-*s", indent-1, name)), hang(text, on.width, indent))
}
