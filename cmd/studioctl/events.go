package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
)

// eventLine is an event as a line for people.
func eventLine(e event.Event, on screen) string {
	who := e.Experiment
	if who == "" {
		who = "message " + short(e.Data.MessageID)
	}
	if on.width > 0 && on.width < wideEnough { // whole keys would break nearly every line
		who = who[:min(len(who), shortest)]
	}
	what, text := hop(e.Type), describe(e.Data, e.Type)
	indent := len(time.TimeOnly) + len(gap) + max(len(who), shortest) + len(gap) + hopWidth
	return fmt.Sprintf("%s  %-*s  %s%s", on.paint(dim, e.Time.Local().Format(time.TimeOnly)), shortest, who, on.paintHop(what, text), hang(text, on.width, indent))
}

// wideEnough is the width of a terminal that shows whole keys beside what happened.
const wideEnough = 120

// hopWidth is that of the column which names a hop.
const hopWidth = 13

func (s screen) paintHop(what, text string) string {
	return s.paint(hopStyle(what, text), fmt.Sprintf("%-*s", hopWidth, what))
}

// hopStyle colours the ends of an experiment's way by how it ended.
func hopStyle(what, text string) style {
	outcome, _, _ := strings.Cut(text, ",")
	switch what {
	case "refused":
		return red
	case "finished", "saved":
		return styleOf(outcome)
	case "started":
		return cyan
	default:
		return normal
	}
}

// jsonEvent is an event as CloudEvents' own JSON format names its parts.
func jsonEvent(e event.Event) any {
	return struct {
		SpecVersion string     `json:"specversion"`
		ID          string     `json:"id"`
		Type        event.Type `json:"type"`
		Source      string     `json:"source"`
		Subject     string     `json:"subject,omitempty"`
		Time        time.Time  `json:"time,omitzero"`
		Data        event.Data `json:"data"`
	}{"1.0", e.ID, e.Type, e.Source, e.Experiment, e.Time, e.Data}
}

// hop is the word in the middle of an event's type: relayed, claimed, …
func hop(t event.Type) string {
	parts := strings.Split(string(t), ".")
	if len(parts) < 2 {
		return string(t)
	}
	return parts[len(parts)-2]
}

// describe says what an event tells beside its type.
func describe(d event.Data, t event.Type) string {
	switch t {
	case event.Relayed:
		return fmt.Sprintf("from %s to the pool %s, %s", d.Queue, d.Pool, d.Kind)
	case event.Refused:
		return fmt.Sprintf("%s: %s", d.Reason, d.Detail)
	case event.Claimed:
		return fmt.Sprintf("by %s, attempt %s", d.Executor, short(d.Attempt))
	case event.Prepared:
		how := fmt.Sprintf("built in %.1f s", d.Seconds)
		if d.Cached {
			how = "found ready"
		}
		return fmt.Sprintf("environment of Python %s %s", d.Python, how)
	case event.Started:
		return "the program runs"
	case event.Checkpointed:
		return fmt.Sprintf("output.tar generation %d", d.Generation)
	case event.Saved, event.Finished:
		if d.ExitCode != nil {
			return fmt.Sprintf("%s, exit code %d", d.Outcome, *d.ExitCode)
		}
		return d.Outcome
	default:
		return d.Detail
	}
}

func short(id string) string { return id[:min(len(id), 8)] }
