package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// cell is one text of a table.
type cell struct {
	text string
	how  style
}

func plain(text string) cell { return cell{text: text} }

// table aligns columns and, on a terminal, keeps lines within its width as far as the columns allow.
type table struct {
	out   io.Writer
	on    screen
	heads []string
	rows  [][]cell
	spare []string // heads of the columns to leave out where there is no room, the first one first
}

func (a *app) table(heads ...string) *table {
	return &table{out: a.out, on: a.screenOf(a.out), heads: heads}
}

func (t *table) row(cells ...cell) { t.rows = append(t.rows, cells) }

const gap = "  "

func (t *table) widths() []int {
	widths := make([]int, len(t.heads))
	for i, head := range t.heads {
		widths[i] = utf8.RuneCountInString(head)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	return widths
}

// width is that of the longest line.
func (t *table) width() int {
	total := -len(gap)
	for _, w := range t.widths() {
		total += w + len(gap)
	}
	return total
}

// fits tells whether no line will be broken.
func (t *table) fits() bool { return t.on.width == 0 || t.width() <= t.on.width }

func (t *table) without(head string) {
	at := slices.Index(t.heads, head)
	if at < 0 {
		return
	}
	t.heads = slices.Delete(slices.Clone(t.heads), at, at+1)
	for i, row := range t.rows {
		t.rows[i] = slices.Delete(slices.Clone(row), at, at+1)
	}
}

// print writes the table, unless there is nothing in it.
func (t *table) print() error {
	if len(t.rows) == 0 {
		return nil
	}
	for len(t.spare) > 0 && !t.fits() {
		t.without(t.spare[0])
		t.spare = t.spare[1:]
	}
	heads := make([]cell, len(t.heads))
	for i, head := range t.heads {
		heads[i] = cell{head, bold}
	}
	widths := t.widths()
	var text strings.Builder
	if strings.Join(t.heads, "") != "" {
		t.line(&text, heads, widths)
	}
	for _, row := range t.rows {
		t.line(&text, row, widths)
	}
	if _, err := io.WriteString(t.out, text.String()); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func (t *table) line(text *strings.Builder, cells []cell, widths []int) {
	for i, c := range cells {
		text.WriteString(t.on.paint(c.how, c.text))
		if rest := cells[i+1:]; slices.ContainsFunc(rest, func(c cell) bool { return c.text != "" }) {
			text.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)) + gap)
		}
	}
	text.WriteByte('\n')
}
