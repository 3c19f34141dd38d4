package main

import (
	"io"

	"golang.org/x/term"
)

// screen is what a stream can show.
type screen struct {
	terminal bool
	width    int // columns; 0 where nothing bounds them
	colour   bool
}

// screenOf looks whether a person sees the stream. NO_COLOR and TERM=dumb are how people ask for no colours.
// https://no-color.org
func (a *app) screenOf(w io.Writer) screen {
	file, ok := w.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return screen{}
	}
	s := screen{terminal: true, colour: a.lookup("NO_COLOR") == "" && a.lookup("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		s.width = width
	}
	return s
}

// style is how a text looks: an SGR parameter.
// https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
type style string

const (
	normal style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// paint adds the style where the screen shows it.
func (s screen) paint(how style, text string) string {
	if !s.colour || how == normal || text == "" {
		return text
	}
	return "\x1b[" + string(how) + "m" + text + "\x1b[0m"
}

// styleOf tells at a glance how things stand: good, bad, or neither.
func styleOf(status string) style {
	switch status {
	case "completed":
		return green
	case "failed", "timed_out", "lost", "refused":
		return red
	case "stopped", "expired":
		return yellow
	case "running":
		return cyan
	default:
		return normal
	}
}
